/* Whether the launcher and this MPI fit together, and where the ranks were put.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_LAUNCH_H
#define CAPSHAPE_COMM_LAUNCH_H

#include "comm/world.h"

/* Before MPI_Init, which would end the process in its own words: STATUS_ENVIRONMENT when srun started several tasks without
 * telling them of each other, or in a way that this MPI does not understand. Of the tasks only the first has a message. */
enum status launch_check(void);
/* After MPI_Init: STATUS_ENVIRONMENT when srun started more tasks than MPI sees. */
enum status launch_check_size(int size);

enum { LAUNCH_NODE_SIZE = 64 };
/* The node of this rank: as Slurm calls it, else its host name. */
void launch_node_name(char name[LAUNCH_NODE_SIZE]);

/* Collective: a line for each kind of node with its ranks, the cores of each, and their GPUs; a warning where ranks were bound
 * to fewer cores than they are, although their node has more. Rank 0 prints. */
enum status launch_print_binding(const struct world *world);

#endif
