/* A model's shape and the places of its tensors, as tables of a file: what a reader elsewhere needs to compute with its weights
 * (docs/checkpoints.md).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_MODEL_CONFIG_FILE_H
#define CAPSHAPE_MODEL_CONFIG_FILE_H

#include "model/config.h"
#include "storage/hdf5_file.h"

/* Both take a struct model_config, as void so that they can be a struct hdf5_note.
 *
 * Attributes of /model that the formulas need beside its sizes: base_width, positions ("rotary" or "none"), rope_base, norm_epsilon,
 * init_deviation. Tables of model_config_layout(), a row a tensor: /tensors/name (text), /tensors/offset, rows, columns (int64; elements
 * of the arena, row-major; columns 1: a vector). */
enum status config_file_write_details(struct hdf5_writer *writer, const void *config);
/* The same and the sizes: layers, width, heads, context, vocabulary, parameters. */
enum status config_file_write(struct hdf5_writer *writer, const void *config);
/* Sizes and details of /model of a run file or a classifier file. STATUS_DATA when one is missing (files of versions that did
 * not write the details yet) or is no model. */
enum status config_file_read(struct hdf5_reader *reader, struct model_config *config_out);

#endif
