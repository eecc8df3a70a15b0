/* pause: the process of a pod that does nothing but hold its namespaces. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
