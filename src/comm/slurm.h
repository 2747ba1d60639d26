/* What Slurm knows of the job that this process belongs to. No library of Slurm's is needed: its environment and its
 * command scontrol are asked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_SLURM_H
#define CAPSHAPE_COMM_SLURM_H

/* Seconds until the job reaches its time limit: from SLURM_JOB_END_TIME, or else `scontrol show job` (10 s at most).
 * INFINITY outside of Slurm, and where the job has no limit or it cannot be found out; then *trouble_out, from malloc, says
 * why, else it is NULL. Starts a process: ask on one rank. */
double slurm_seconds_left(char **trouble_out);

/* "job 4711", "job 4711 (task 3 of array 4700)", "" outside of Slurm. */
const char *slurm_job_name(char *buffer, unsigned long size);

#endif
