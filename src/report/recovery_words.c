/* What a finetuning found, in sentences.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "report/compare.h"
#include "report/recovery.h"

/* The largest size that has a chosen run of the label. */
static const struct recovery_run *largest_of(const struct recovery *recovery, const char *label)
{
	for (size_t s = recovery->size_count; s-- > 0;) {
		const struct recovery_run *run = recovery_find(recovery, label, recovery->sizes[s]);
		if (run)
			return run;
	}
	return NULL;
}

/* The smallest other size of the label that reaches its target. */
static const struct recovery_run *smallest_reached(const struct recovery *recovery, const struct recovery_run *largest)
{
	for (size_t s = 0; s < recovery->size_count; s++) {
		const struct recovery_run *run = recovery_find(recovery, largest->label, recovery->sizes[s]);
		if (run && run != largest && run->tokens.value > 0)
			return run;
	}
	return NULL;
}

static double trained(const struct recovery_run *run)
{
	return run->forget.count > 0 ? run->forget.tokens[run->forget.count - 1] : 0;
}

static double percent(const struct recovery_run *run, double tokens)
{
	return 100.0 * tokens / run->pretraining;
}

/* Not reached: how far it came. */
static void add_unreached(const struct recovery_run *run, struct buffer *out)
{
	char tokens[24];
	const struct recovery_curve *forget = &run->forget;
	buffer_add(out,
	           " does not reach the unfiltered model's loss on the forget set in %s tokens (%.3g %% of its "
	           "pretraining)",
	           text_count(round(trained(run)), tokens, sizeof(tokens)), percent(run, trained(run)));
	if (forget->count > 0)
		buffer_add(out, ": it falls from %.4f to %.4f, the target is %.4f", forget->loss[0],
		           forget->loss[forget->count - 1], run->target);
	buffer_add(out, ".");
}

static void add_reached(const struct recovery_run *run, struct buffer *out)
{
	char tokens[24], low[24], high[24];
	buffer_add(out, ": %s tokens of forget text", text_count(round(run->tokens.value), tokens, sizeof(tokens)));
	if (!isnan(run->tokens.low))
		buffer_add(out, " [%s to %s]", text_count(round(run->tokens.low), low, sizeof(low)),
		           isinf(run->tokens.high) ? "more than it was trained on"
		                                   : text_count(round(run->tokens.high), high, sizeof(high)));
	if (!isnan(run->tokens.low) && run->known.groups < COMPARE_FEW_GROUPS)
		buffer_add(out, ", by FEW GROUPS,");
	buffer_add(out,
	           " bring its loss on the forget set from %.4f back to %.4f, that of the unfiltered model: %.3g %% of "
	           "its pretraining.",
	           run->forget.loss[0], run->target, percent(run, run->tokens.value));
}

static void add_at_once(const struct recovery_run *run, struct buffer *out)
{
	char high[24];
	buffer_add(out, " is at the target before the first step");
	if (run->tokens.high > 0) /* false when NaN */
		buffer_add(out, ", but not on every resample of the documents: the interval ends at %s%s",
		           isinf(run->tokens.high) ? "more tokens than it was trained on"
		                                   : text_count(round(run->tokens.high), high, sizeof(high)),
		           isinf(run->tokens.high) ? "" : " tokens");
	buffer_add(out, ".");
}

static void add_resolution(const struct recovery_run *run, struct buffer *out)
{
	char tokens[24];
	if (recovery_is_coarse(run))
		buffer_add(out,
		           " COARSE: the evaluations around that are %s tokens apart, %.0f %% of the answer: a smaller "
		           "batch (train/sequences) or finetune/interval tells more.",
		           text_count(run->resolution, tokens, sizeof(tokens)),
		           100.0 * run->resolution / run->tokens.value);
}

static void add_cost(const struct recovery_run *run, struct buffer *out)
{
	if (!isnan(run->retain_cost))
		buffer_add(out, " Meanwhile the retain loss changes by %+.4f nats a token.", run->retain_cost);
}

static void add_growth(const struct recovery *recovery, const struct recovery_run *run, struct buffer *out)
{
	const struct recovery_run *small = smallest_reached(recovery, run);
	char tokens[24];
	if (!small || isnan(run->tokens.value))
		return;
	bool falls = percent(run, run->tokens.high) < percent(small, small->tokens.low);
	bool grows = percent(run, run->tokens.low) > percent(small, small->tokens.high);
	buffer_add(out, " At %s it is %s tokens, %.3g %%: %s.", small->size,
	           text_count(round(small->tokens.value), tokens, sizeof(tokens)), percent(small, small->tokens.value),
	           falls                                                ? "the share falls with size"
	           : grows                                              ? "the share grows with size"
	           : isnan(run->tokens.low) || isnan(small->tokens.low) ? "without intervals, no trend is claimed"
	                                                                : "the intervals of the shares overlap");
}

static void add_setting(const struct recovery_run *run, struct buffer *out)
{
	if (run->tried < 2)
		return;
	buffer_add(out, " Setting %s, the best of %zu that were tried, of which %zu reach the target.", run->setting,
	           run->tried, run->reached);
}

static void add_label(const struct recovery *recovery, const char *label, struct buffer *out)
{
	const struct recovery_run *run = largest_of(recovery, label);
	if (!run)
		return;
	buffer_add(out, "%s at %s", run->label, run->size);
	if (isnan(run->tokens.value))
		add_unreached(run, out);
	else if (run->tokens.value > 0)
		add_reached(run, out);
	else
		add_at_once(run, out);
	if (run->tokens.value > 0)
		add_resolution(run, out);
	if (!(run->tokens.value <= 0)) {
		add_cost(run, out);
		add_growth(recovery, run, out);
	}
	add_setting(run, out);
}

void recovery_words(const struct recovery *recovery, enum show_form form, struct buffer *buffer)
{
	buffer_add(buffer, "%s", form == SHOW_HTML ? "<ul>\n" : "");
	for (size_t i = 0; i < recovery->label_count; i++) {
		struct buffer out = { 0 };
		if (recovery_is_baseline(recovery, recovery->labels[i]))
			continue;
		add_label(recovery, recovery->labels[i], &out);
		show_item(&out, form, buffer);
	}
	buffer_add(buffer, form == SHOW_HTML ? "</ul>\n" : "\n");
}
