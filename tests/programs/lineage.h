/* The ways of `children` that need more than a child that exits: see children.c
 * for the table of all ways, lineage.c for how each works. */
#ifndef LINEAGE_H
#define LINEAGE_H

#include "program.h"

/* What children.c prints. */
extern struct ids zombies, alive;
extern int reaped;
extern pid_t reaper;

void note_zombie(pid_t pid);

void clone_parent(void);
void leader_exits_first(void);
void end_second_threads(void);
void double_fork(void);
void double_fork_pidns(void);
void exec_from_thread(void);
void kill_all(void);

#endif
