/* The loaded ELF files: turns an address of this process into a virtual address
 * of the file it came from, which does not change from run to run. */
#ifndef MODULES_H
#define MODULES_H

#include "program.h"

#include <link.h>

struct module {
	char path[4096];
	uintptr_t bias, start, end;
};

enum { MAX_MODULES = 16 };
static struct module modules[MAX_MODULES];
static int module_count;

static inline int add_module(struct dl_phdr_info *info, size_t size, void *unused)
{
	struct module *module = &modules[module_count];

	(void)size, (void)unused;
	if (module_count == MAX_MODULES)
		die("too many modules");
	/* The program itself has no name here, and the vDSO has no file. */
	if (!realpath(info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe", module->path))
		return 0;
	module->bias = info->dlpi_addr;
	module->start = UINTPTR_MAX;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		if (start < module->start)
			module->start = start;
		if (start + info->dlpi_phdr[i].p_memsz > module->end)
			module->end = start + info->dlpi_phdr[i].p_memsz;
	}
	module_count++;
	return 0;
}

static inline void find_modules(void)
{
	dl_iterate_phdr(add_module, NULL);
}

static inline void print_frame(uintptr_t address)
{
	for (int i = 0; i < module_count; i++)
		if (address >= modules[i].start && address < modules[i].end) {
			printf("{\"module\":\"%s\",\"address\":\"0x%lx\"}", modules[i].path,
			       address - modules[i].bias);
			return;
		}
	printf("{\"module\":\"\",\"address\":\"0x%lx\"}", address);
}

#endif
