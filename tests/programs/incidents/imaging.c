/*
 * libimaging.so, which imaging.py loads: an extension that runs other programs.
 *
 *   to blame                             well-behaved neighbour
 *   imaging_convert  never waits for it  imaging_probe  waits
 */
#include "../program.h"

#define EXPORTED __attribute__((visibility("default"), noipa))

EXPORTED void imaging_convert(const char *image);
EXPORTED int imaging_probe(const char *image);

static _Noreturn void run(const char *program, const char *image)
{
	execlp("true", program, image, NULL);
	_exit(127);
}

/* The bug: the conversion is started, and nobody asks how it went. */
void imaging_convert(const char *image)
{
	pid_t child = (pid_t)need(fork(), "fork"); /* to blame */

	if (child == 0)
		run("convert", image);
	KEEP_FRAME();
}

int imaging_probe(const char *image)
{
	pid_t child = (pid_t)need(fork(), "fork");
	int status;

	if (child == 0)
		run("identify", image);
	need(waitpid(child, &status, 0), "waitpid");
	return status;
}
