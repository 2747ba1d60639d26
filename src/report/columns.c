/* One row a finding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/columns.h"

#include <math.h>
#include <string.h>

#include "report/load_start.h"

#define CREATE(table, name, columns) table_create(table, name, "", columns, sizeof(columns) / sizeof((columns)[0]))

void columns_count_filtered(const struct run *run, int64_t *filtered, int64_t *tokens)
{
	*filtered = 0;
	*tokens = 0;
	for (size_t i = 0; i < run->domain_count; i++) {
		*filtered += run->domains[i].filtered;
		*tokens += run->domains[i].tokens;
	}
}

double columns_filtered_share(const struct run *run)
{
	int64_t filtered, tokens;
	columns_count_filtered(run, &filtered, &tokens);
	return tokens > 0 ? (double)filtered / (double)tokens : NAN;
}

double columns_group_share(const struct study *study, size_t group)
{
	const struct run *run = study_first(study, group);
	bool has = strcmp(study_filter(run), "weight") != 0 && !load_start_is_unlearned(study_filter(run));
	return has ? columns_filtered_share(run) : NAN;
}

void columns_of_runs(const struct study *study, struct table *table)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "seed", COLUMN_TEXT, NULL, "run/seed, where seeds differ" },
		{ "point", COLUMN_TEXT, NULL, "point of the sweep" },
		{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
		{ "tokens", COLUMN_REAL, "tokens", "training tokens D = nominal FLOPs / (6 N)" },
		{ "nominal_flops", COLUMN_REAL, "FLOP", "6 N D" },
		{ "training_flops", COLUMN_REAL, "FLOP", "floating-point operations really spent in training" },
		{ "seconds", COLUMN_REAL, "s", "training time; unlearned models: of unlearning alone" },
		{ "filtered_share", COLUMN_REAL, "1", "share of all corpus tokens that were filtered" },
	};
	CREATE(table, "runs", columns);
	for (size_t g = 0; g < study->group_count; g++)
		for (size_t i = 0; i < study->groups[g].count; i++) {
			const struct run *run = &study->list->runs[study->groups[g].runs[i]];
			table_add_text(table, "%s", study->methods[study->groups[g].method].label);
			table_add_text(table, "%s", study->sizes[study->groups[g].size].label);
			table_add_text(table, "%s", run_setting(run, STUDY_SEED));
			table_add_text(table, "%s", run->point);
			table_add_integer(table, run->parameters);
			table_add_real(table, run->nominal_flops / (6.0 * (double)run->parameters));
			table_add_real(table, run->nominal_flops);
			table_add_real(table, run->training_flops);
			table_add_real(table, run->seconds);
			table_add_real(table, columns_filtered_share(run));
		}
}

void columns_add_interval(struct table *table, const struct interval *interval)
{
	table_add_real(table, interval->value);
	table_add_real(table, interval->low);
	table_add_real(table, interval->high);
}

void columns_add_extrapolated(struct table *table, const struct slowdown *slowdown)
{
	table_add_text(table, "%s",
	               slowdown->why             ? ""
	               : !slowdown->extrapolated ? "no"
	               : slowdown->below         ? "below"
	                                         : "above");
}

static void add_place(struct table *table, const struct study *study, size_t method, size_t size, size_t measure)
{
	table_add_text(table, "%s", study->methods[method].label);
	table_add_text(table, "%s", study->sizes[size].label);
	table_add_integer(table, study->sizes[size].parameters);
	table_add_text(table, "%s", study->measures[measure].set);
	table_add_text(table, "%s", study->measures[measure].label ? "label" : "all");
}

static void add_loss(struct table *table, const struct comparison *comparison, size_t method, size_t size,
                     size_t measure)
{
	const struct study *study = comparison->study;
	size_t group = study_cell(study, method, size);
	const struct loss_result *result = compare_loss(comparison, measure, group);
	add_place(table, study, method, size, measure);
	table_add_real(table, compare_group_flops(study, group, COMPUTE_NOMINAL));
	table_add_real(table, compare_group_flops(study, group, COMPUTE_SPENT));
	table_add_real(table, columns_filtered_share(study_first(study, group)));
	columns_add_interval(table, &result->loss);
	columns_add_interval(table, &result->difference);
	table_add_text(table, "%s", compare_verdict_name(result->verdict));
	const struct measure_facts *facts = &comparison->facts[measure];
	table_add_integer(table, facts->resampled ? (int64_t)facts->documents : 0);
	table_add_integer(table, facts->resampled ? (int64_t)facts->groups : 0);
	table_add_integer(table, (int64_t)result->seeds);
	table_add_real(table, result->spread);
}

void columns_of_losses(const struct comparison *comparison, struct table *table)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
		{ "set", COLUMN_TEXT, NULL, "evaluation set" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "nominal_flops", COLUMN_REAL, "FLOP", "6 N D" },
		{ "training_flops", COLUMN_REAL, "FLOP", "floating-point operations really spent in training" },
		{ "filtered_share", COLUMN_REAL, "1", "share of all corpus tokens that were filtered" },
		{ "loss", COLUMN_REAL, "nats/token", "mean negative log-likelihood" },
		{ "loss_low", COLUMN_REAL, "nats/token", "lower end of the interval of the loss" },
		{ "loss_high", COLUMN_REAL, "nats/token", "upper end of the interval of the loss" },
		{ "difference", COLUMN_REAL, "nats/token", "loss minus loss of the baseline of the same size" },
		{ "difference_low", COLUMN_REAL, "nats/token", "lower end of the paired interval" },
		{ "difference_high", COLUMN_REAL, "nats/token", "upper end of the paired interval" },
		{ "verdict", COLUMN_TEXT, NULL, "worse: interval above 0; better: below 0; else no difference seen" },
		{ "documents", COLUMN_INTEGER, "documents", "evaluation documents resampled; 0: no interval" },
		{ "groups", COLUMN_INTEGER, "1", "groups of documents of one id, which are drawn as a whole" },
		{ "seeds", COLUMN_INTEGER, "1", "runs that differ in run/seed; the loss is their mean" },
		{ "spread", COLUMN_REAL, "nats/token", "standard deviation of the loss over seeds" },
	};
	const struct study *study = comparison->study;
	CREATE(table, "losses", columns);
	for (size_t k = 0; k < study->measure_count; k++)
		for (size_t m = 0; m < study->method_count; m++)
			for (size_t s = 0; s < study->size_count; s++)
				if (study_cell(study, m, s) != STUDY_NONE)
					add_loss(table, comparison, m, s, k);
}

static void add_slowdown(struct table *table, const struct comparison *comparison, size_t method, size_t size,
                         size_t measure, enum compute_kind compute, enum law_kind law)
{
	const struct study *study = comparison->study;
	const struct slowdown *slowdown =
		compare_slowdown(comparison, measure, study_cell(study, method, size), compute, law);
	add_place(table, study, method, size, measure);
	table_add_text(table, "%s", compare_compute_name(compute));
	table_add_text(table, "%s", compare_law_name(law));
	table_add_real(table, slowdown->flops);
	table_add_real(table, slowdown->matched);
	columns_add_interval(table, &slowdown->factor);
	columns_add_extrapolated(table, slowdown);
	table_add_real(table, slowdown->outside);
	table_add_text(table, "%s", slowdown->why ? slowdown->why : "");
}

void columns_of_slowdowns(const struct comparison *comparison, struct table *table)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
		{ "set", COLUMN_TEXT, NULL, "evaluation set" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "compute", COLUMN_TEXT, NULL, "6ND: nominal; spent: operations really spent" },
		{ "law", COLUMN_TEXT, NULL,
		  "power: L = A C^-b; floor: L = E + A C^-b; _robust: Tukey's biweight for squares" },
		{ "flops", COLUMN_REAL, "FLOP", "compute of the filtered model, C_f" },
		{ "matched_flops", COLUMN_REAL, "FLOP", "compute at which the baseline reaches its loss, C_b" },
		{ "slowdown", COLUMN_REAL, "1", "C_f / C_b" },
		{ "slowdown_low", COLUMN_REAL, "1", "lower end of the interval" },
		{ "slowdown_high", COLUMN_REAL, "1", "upper end of the interval" },
		{ "extrapolated", COLUMN_TEXT, NULL,
		  "C_b is below or above the computes of the baseline, by more than 5 %" },
		{ "beyond", COLUMN_REAL, "1", "how many times C_b is beyond the end of that range; 1: inside" },
		{ "remark", COLUMN_TEXT, NULL, "why the slowdown is undefined" },
	};
	const struct study *study = comparison->study;
	CREATE(table, "slowdown", columns);
	for (size_t k = 0; k < study->measure_count; k++)
		for (size_t m = 0; m < study->method_count; m++)
			for (size_t s = 0; s < study->size_count; s++)
				for (int c = 0; c < COMPUTE_KINDS; c++)
					for (int l = 0; l < LAW_KINDS; l++)
						if (!study->methods[m].is_baseline &&
						    study_cell(study, m, s) != STUDY_NONE)
							add_slowdown(table, comparison, m, s, k, (enum compute_kind)c,
							             (enum law_kind)l);
}

static void add_law(struct table *table, const struct comparison *comparison, size_t method, size_t measure,
                    enum compute_kind compute, enum law_kind kind)
{
	const struct study *study = comparison->study;
	const struct law_result *result = compare_law(comparison, measure, method, compute, kind);
	table_add_text(table, "%s", study->methods[method].label);
	table_add_integer(table, study->methods[method].is_baseline);
	table_add_text(table, "%s", study->measures[measure].set);
	table_add_text(table, "%s", study->measures[measure].label ? "label" : "all");
	table_add_text(table, "%s", compare_compute_name(compute));
	table_add_text(table, "%s", compare_law_name(kind));
	table_add_integer(table, (int64_t)result->sizes);
	table_add_real(table, result->law.log_scale);
	columns_add_interval(table, &result->exponent);
	columns_add_interval(table, &result->floor);
	table_add_real(table, result->law.residual);
	table_add_real(table, result->lowest);
	table_add_real(table, result->highest);
	table_add_text(table, "%s", result->why ? result->why : "");
}

void columns_of_laws(const struct comparison *comparison, struct table *table)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "baseline", COLUMN_INTEGER, "1", "1: others are compared with this method" },
		{ "set", COLUMN_TEXT, NULL, "evaluation set" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "compute", COLUMN_TEXT, NULL, "6ND: nominal; spent: operations really spent" },
		{ "law", COLUMN_TEXT, NULL,
		  "power: L = A C^-b; floor: L = E + A C^-b; _robust: Tukey's biweight for squares" },
		{ "sizes", COLUMN_INTEGER, "1", "models fitted" },
		{ "log_scale", COLUMN_REAL, "1", "ln A, with L in nats a token and C in FLOP" },
		{ "exponent", COLUMN_REAL, "1", "b" },
		{ "exponent_low", COLUMN_REAL, "1", "lower end of the interval of b" },
		{ "exponent_high", COLUMN_REAL, "1", "upper end of the interval of b" },
		{ "floor", COLUMN_REAL, "nats/token", "E" },
		{ "floor_low", COLUMN_REAL, "nats/token", "lower end of the interval of E" },
		{ "floor_high", COLUMN_REAL, "nats/token", "upper end of the interval of E" },
		{ "residual", COLUMN_REAL, "1", "root mean square of ln loss - ln law" },
		{ "flops_low", COLUMN_REAL, "FLOP", "smallest compute fitted" },
		{ "flops_high", COLUMN_REAL, "FLOP", "largest compute fitted" },
		{ "remark", COLUMN_TEXT, NULL, "why the law is not usable" },
	};
	const struct study *study = comparison->study;
	CREATE(table, "laws", columns);
	for (size_t k = 0; k < study->measure_count; k++)
		for (size_t m = 0; m < study->method_count; m++)
			for (int c = 0; c < COMPUTE_KINDS; c++)
				for (int l = 0; l < LAW_KINDS; l++)
					add_law(table, comparison, m, k, (enum compute_kind)c, (enum law_kind)l);
}

void columns_of_filtered(const struct study *study, struct table *table)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "domain", COLUMN_TEXT, NULL, "domain by token labels" },
		{ "tokens", COLUMN_INTEGER, "tokens", "corpus tokens that reached the trainers" },
		{ "filtered", COLUMN_INTEGER, "tokens", "of these, filtered" },
		{ "share", COLUMN_REAL, "1", "filtered / tokens" },
	};
	CREATE(table, "filtered", columns);
	for (size_t m = 0; m < study->method_count; m++)
		for (size_t s = 0; s < study->size_count; s++) {
			const struct run *run =
				study_run(study, m, s); /* seeds see the same decisions on the same text */
			for (size_t d = 0; run && d < run->domain_count; d++) {
				const struct domain_count *domain = &run->domains[d];
				table_add_text(table, "%s", study->methods[m].label);
				table_add_text(table, "%s", study->sizes[s].label);
				table_add_text(table, "%s", domain->name);
				table_add_integer(table, domain->tokens);
				table_add_integer(table, domain->filtered);
				table_add_real(table, domain->tokens > 0
				                              ? (double)domain->filtered / (double)domain->tokens
				                              : NAN);
			}
		}
}

void columns_of_left_out(const struct run_list *list, struct table *table)
{
	static const struct column columns[] = {
		{ "point", COLUMN_TEXT, NULL, "point of the sweep" },
		{ "reason", COLUMN_TEXT, NULL, "why it is not part of the report" },
	};
	CREATE(table, "left_out", columns);
	for (size_t i = 0; i < list->left_count; i++) {
		table_add_text(table, "%s", list->left[i].point);
		table_add_text(table, "%s", list->left[i].reason);
	}
}
