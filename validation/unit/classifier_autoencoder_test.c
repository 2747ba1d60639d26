/* The sparse autoencoder: gradients against finite differences of a loss in float64, the choice of the largest, equal bits, dead
 * latents, learning; the screen of latents and the labels that they give.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/autoencoder.h"

#include "classifier/latents.h"
#include "model_fixture.h"
#include "text/corpus.h"

enum { WIDTH = 20, LATENTS = 48, ACTIVE = 5, BATCH = 24, PATIENCE = 100 };

struct setting {
	const struct kernels *kernels;
	struct device *device;
	struct autoencoder *autoencoder;
	float x[BATCH * WIDTH];
};

static double noise(uint64_t stream, int64_t index)
{
	return random_normal(7, RANDOM_TEST, stream, (uint64_t)index);
}

/* Sums of two of 12 directions, so that there is something to find. */
static void fill_rows(uint64_t stream, float *x, int64_t rows)
{
	for (int64_t row = 0; row < rows; row++) {
		uint64_t bits = random_bits(7, RANDOM_TEST, stream, (uint64_t)row);
		for (int64_t j = 0; j < WIDTH; j++)
			x[row * WIDTH + j] =
				(float)(1.0 + 2.0 * noise(100 + bits % 12, j) + 1.5 * noise(100 + (bits >> 8) % 12, j) +
			                0.1 * noise(stream + 1, row * WIDTH + j));
	}
}

static void open_setting(int table, bool training, struct setting *setting)
{
	const struct autoencoder_shape shape = { WIDTH, LATENTS, ACTIVE, BATCH };
	*setting = (struct setting){ .kernels = fixture_table(table) };
	assert_int_equal(setting->kernels->device_create(PRECISION_FLOAT32, 1, &setting->device), STATUS_OK);
	assert_int_equal(autoencoder_create(setting->kernels, setting->device, &shape, training, &setting->autoencoder),
	                 STATUS_OK);
	fill_rows(1000, setting->x, BATCH);
	if (training)
		assert_int_equal(autoencoder_initialise(setting->autoencoder, 3, setting->x, BATCH), STATUS_OK);
}

static void close_setting(struct setting *setting)
{
	autoencoder_destroy(setting->autoencoder);
	setting->kernels->device_destroy(setting->device);
}

/* ---- the loss in float64 ---- */

/* The `most` largest positive numbers, by looking for them one after the other. */
static int choose_plainly(const double *numbers, const bool *among, int most, int *chosen)
{
	bool taken[LATENTS] = { false };
	int count = 0;
	for (; count < most; count++) {
		int best = -1;
		for (int m = 0; m < LATENTS; m++)
			if (!taken[m] && (among == NULL || among[m]) && numbers[m] > 0 &&
			    (best < 0 || numbers[m] > numbers[best]))
				best = m;
		if (best < 0)
			return count;
		taken[best] = true;
		chosen[count] = best;
	}
	return count;
}

/* For the gradient of dead latents what they are held against is a constant: found at the parameters `at`. */
static double loss_of(const double *parameters, const double *at, const float *x, double variance, const bool *dead)
{
	double loss = 0;
	for (int row = 0; row < BATCH; row++) {
		double numbers[LATENTS], left[WIDTH], rest[WIDTH], y[WIDTH];
		int chosen[LATENTS];
		for (int pass = 0; pass < 2; pass++) { /* pass 0: at `at`, for what is left over */
			const double *p = pass == 0 ? at : parameters, *encoder = p, *decoder = p + LATENTS * WIDTH,
				     *bias = decoder + LATENTS * WIDTH;
			for (int m = 0; m < LATENTS; m++) {
				numbers[m] = 0;
				for (int j = 0; j < WIDTH; j++)
					numbers[m] += encoder[m * WIDTH + j] * ((double)x[row * WIDTH + j] - bias[j]);
			}
			int count = choose_plainly(numbers, NULL, ACTIVE, chosen);
			for (int j = 0; j < WIDTH; j++) {
				y[j] = bias[j];
				for (int k = 0; k < count; k++)
					y[j] += numbers[chosen[k]] * decoder[chosen[k] * WIDTH + j];
				if (pass == 0)
					left[j] = (double)x[row * WIDTH + j] - y[j];
				else
					loss += pow(y[j] - (double)x[row * WIDTH + j], 2);
			}
		}
		const double *decoder = parameters + LATENTS * WIDTH;
		int count = choose_plainly(numbers, dead, WIDTH / 2, chosen);
		for (int j = 0; j < WIDTH && dead != NULL; j++) {
			rest[j] = -left[j];
			for (int k = 0; k < count; k++)
				rest[j] += numbers[chosen[k]] * decoder[chosen[k] * WIDTH + j];
			loss += rest[j] * rest[j] / 32;
		}
	}
	return loss / (BATCH * variance);
}

/* Every parameter: central differences. */
static void compare_gradients(struct setting *setting, const bool *dead)
{
	enum { ARENA = 2 * LATENTS * WIDTH + WIDTH };
	struct autoencoder *autoencoder = setting->autoencoder;
	static double at[ARENA], moved[ARENA];
	double variance = autoencoder_progress(autoencoder)->variance, largest = 0;
	const double step = 1e-6;
	struct autoencoder_loss loss;
	float *parameters = autoencoder_parameters(autoencoder);
	for (int i = 0; i < ARENA; i++) /* encoder and decoder differ */
		parameters[i] += (float)(0.05 * noise(50, i));
	assert_int_equal(autoencoder_refresh(autoencoder), STATUS_OK);
	assert_int_equal(autoencoder_gradient(autoencoder, setting->x, BATCH, PATIENCE, &loss), STATUS_OK);
	for (int i = 0; i < ARENA; i++)
		at[i] = moved[i] = (double)parameters[i];
	double whole = (loss.error + loss.dead_error / 32) / (BATCH * variance);
	assert_near(whole, loss_of(at, at, setting->x, variance, dead), 1e-5 * whole);
	assert_int_equal(autoencoder_arena_size(autoencoder_get_shape(autoencoder)), ARENA);
	for (int i = 0; i < ARENA; i++)
		largest = fmax(largest, fabs((double)autoencoder_gradients(autoencoder)[i]));
	assert_true(largest > 1e-3);
	for (int i = 0; i < ARENA; i++) {
		moved[i] = at[i] + step;
		double above = loss_of(moved, at, setting->x, variance, dead);
		moved[i] = at[i] - step;
		double below = loss_of(moved, at, setting->x, variance, dead);
		moved[i] = at[i];
		assert_near((double)autoencoder_gradients(autoencoder)[i], (above - below) / (2 * step),
		            2e-5 * largest);
	}
}

static void gradients_are_those_of_the_loss(void **state)
{
	(void)state;
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct setting setting;
		open_setting(table, true, &setting);
		compare_gradients(&setting, NULL);
		close_setting(&setting);
	}
}

static void dead_latents_have_gradients_of_what_is_left(void **state)
{
	(void)state;
	struct setting setting;
	bool dead[LATENTS];
	open_setting(1, true, &setting);
	autoencoder_progress(setting.autoencoder)->rows = 1000;
	for (int m = 0; m < LATENTS; m++) {
		dead[m] = m % 3 == 0;
		autoencoder_last_active(setting.autoencoder)[m] = 1000 - PATIENCE - dead[m];
	}
	compare_gradients(&setting, dead);
	close_setting(&setting);
}

/* ---- the largest ---- */

static void the_largest_are_chosen(void **state)
{
	(void)state;
	enum { COUNT = 200 };
	float values[COUNT], chosen[COUNT];
	int32_t index[COUNT];
	for (int round = 0; round < 50; round++) {
		int most = 1 + round % 17;
		for (int i = 0; i < COUNT; i++) /* many that are equal, and negative ones */
			values[i] = (float)((int64_t)(random_bits(7, RANDOM_TEST, 2000 + (uint64_t)round, (uint64_t)i) %
			                              41) -
			                    20);
		int64_t count = autoencoder_choose(values, COUNT, NULL, most, index, chosen);
		assert_int_equal(count, most);
		for (int i = 0; i < COUNT; i++) { /* its rank: larger ones, and equal ones before it */
			int before = 0, found = 0;
			for (int j = 0; j < COUNT; j++)
				before += values[j] > values[i] || (values[j] == values[i] && j < i);
			for (int k = 0; k < most; k++)
				found += index[k] == i && chosen[k] == values[i];
			assert_int_equal(found, values[i] > 0 && before < most);
		}
		for (int k = 1; k < most; k++)
			assert_true(index[k] > index[k - 1]);
	}
}

static void what_is_not_positive_or_no_number_is_not_chosen(void **state)
{
	(void)state;
	const float values[6] = { 0.0F, -1.0F, NAN, 2.0F, 3.0F, 1.0F };
	const uint8_t among[6] = { 1, 1, 1, 1, 0, 1 };
	float chosen[4];
	int32_t index[4];
	assert_int_equal(autoencoder_choose(values, 6, among, 4, index, chosen), 2);
	const int32_t expected[4] = { 3, 5, -1, -1 };
	assert_memory_equal(index, expected, sizeof expected);
	assert_true(chosen[0] == 2.0F && chosen[1] == 1.0F && chosen[2] == 0.0F && chosen[3] == 0.0F);
}

/* ---- training ---- */

/* Trains for `steps`; the last error a row. */
static double train(struct autoencoder *autoencoder, int64_t from, int64_t steps)
{
	float x[BATCH * WIDTH];
	struct autoencoder_loss loss = { 0 };
	for (int64_t i = from; i < from + steps; i++) {
		fill_rows(3000 + 2 * (uint64_t)i, x, BATCH);
		assert_int_equal(autoencoder_train(autoencoder, x, BATCH, 10 * BATCH, 3e-3, &loss), STATUS_OK);
	}
	return loss.error / BATCH;
}

static void training_explains_what_it_sees(void **state)
{
	(void)state;
	struct setting setting;
	open_setting(1, true, &setting);
	double first = train(setting.autoencoder, 0, 1), last = train(setting.autoencoder, 1, 400);
	assert_true(last < 0.1 * first);
	assert_true(last < 0.15 * autoencoder_progress(setting.autoencoder)->variance);
	const float *decoder = autoencoder_parameters(setting.autoencoder) + LATENTS * WIDTH;
	for (int m = 0; m < LATENTS; m++) {
		double square = 0;
		for (int j = 0; j < WIDTH; j++)
			square += (double)decoder[m * WIDTH + j] * (double)decoder[m * WIDTH + j];
		assert_near(square, 1.0, 1e-5);
	}
	close_setting(&setting);
}

/* The state is all that training goes on from. */
static void a_copy_of_the_state_goes_on_to_the_same_bits(void **state)
{
	(void)state;
	struct setting one, other;
	open_setting(1, true, &one);
	open_setting(1, true, &other);
	size_t arena = (size_t)autoencoder_arena_size(autoencoder_get_shape(one.autoencoder)) * sizeof(float);
	train(one.autoencoder, 0, 30);
	memcpy(autoencoder_parameters(other.autoencoder), autoencoder_parameters(one.autoencoder), arena);
	for (int i = 0; i < 2; i++)
		memcpy(autoencoder_moments(other.autoencoder, i), autoencoder_moments(one.autoencoder, i), arena);
	memcpy(autoencoder_last_active(other.autoencoder), autoencoder_last_active(one.autoencoder),
	       LATENTS * sizeof(int64_t));
	*autoencoder_progress(other.autoencoder) = *autoencoder_progress(one.autoencoder);
	assert_int_equal(autoencoder_refresh(other.autoencoder), STATUS_OK);
	train(one.autoencoder, 30, 20);
	train(other.autoencoder, 30, 20);
	assert_memory_equal(autoencoder_parameters(one.autoencoder), autoencoder_parameters(other.autoencoder), arena);
	close_setting(&one);
	close_setting(&other);
}

static void impossible_shapes_are_refused(void **state)
{
	(void)state;
	struct setting setting;
	struct autoencoder *autoencoder = NULL;
	const struct autoencoder_shape shape = { WIDTH, 4, 5, BATCH };
	open_setting(1, false, &setting);
	assert_int_equal(autoencoder_create(setting.kernels, setting.device, &shape, false, &autoencoder),
	                 STATUS_USAGE);
	close_setting(&setting);
}

/* ---- the screen ---- */

/* Latent 0: active in forget documents only; 1: everywhere; 2: once; 3: in mixed documents. */
static void fill_tally(struct latent_tally *tally, int64_t first, int64_t end)
{
	for (int64_t document = first; document < end; document++) {
		bool forget = document % 2 == 0, mixed = document % 10 == 9;
		int32_t index[4 * 2] = { -1, -1, 1, -1, -1, -1, -1, -1 };
		float values[4 * 2] = { 0, 0, 1.5F, 0 };
		if (forget) {
			index[0] = 0;
			values[0] = 1.0F + (float)document;
			index[4] = 0;
			values[4] = 0.5F;
		}
		if (document == 4) {
			index[5] = 2;
			values[5] = 9.0F;
		}
		if (mixed) {
			index[6] = 3;
			values[6] = 4.0F;
		}
		latent_tally_add(tally, document,
		                 latents_side(mixed    ? DOMAIN_MIXED
		                              : forget ? DOMAIN_FORGET
		                                       : DOMAIN_RETAIN),
		                 4, 2, index, values);
	}
}

static void the_screen_takes_what_is_about_forget(void **state)
{
	(void)state;
	struct latent_tally tally;
	struct latent latent;
	uint8_t chosen[4];
	assert_int_equal(latent_tally_create(4, &tally), STATUS_OK);
	fill_tally(&tally, 0, 40);
	assert_int_equal(tally.totals[TOTAL_FORGET_DOCUMENTS], 20);
	assert_int_equal(tally.totals[TOTAL_OTHER_DOCUMENTS], 16);
	assert_int_equal(latents_screen(&tally, &(struct latent_screen){ 10, 20 }, chosen), 1);
	assert_true(chosen[0] == 1 && chosen[1] == 0 && chosen[2] == 0 && chosen[3] == 0);
	assert_int_equal(latents_screen(&tally, &(struct latent_screen){ 10, 21 }, chosen), 0);
	latent_describe(&tally, 0, &latent);
	assert_near(latent.rate[SIDE_FORGET], 0.5, 1e-12);
	assert_near(latent.ratio, 0.5 * 64, 1e-9); /* as if one of 64 other tokens had it */
	latent_describe(&tally, 1, &latent);
	assert_near(latent.ratio, 1.0, 1e-12);
	assert_near(latent.mean, 1.5 / 4, 1e-6);
	assert_near(latent.deviation, sqrt(1.5 * 1.5 / 4 - 1.5 * 1.5 / 16), 1e-5);
	/* strongest places, one a document */
	assert_int_equal(tally.places[0].document, 38);
	assert_int_equal(tally.places[1].document, 36);
	assert_int_equal(tally.places[0].token, 0);
	latent_tally_clear(&tally);
}

static void tallies_of_parts_add_up(void **state)
{
	(void)state;
	struct latent_tally whole, parts[2];
	assert_int_equal(latent_tally_create(4, &whole), STATUS_OK);
	fill_tally(&whole, 0, 40);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(latent_tally_create(4, &parts[i]), STATUS_OK);
		fill_tally(&parts[i], i == 0 ? 0 : 13, i == 0 ? 13 : 40);
	}
	for (int64_t i = 0; i < whole.number_count; i++)
		assert_int_equal(whole.numbers[i], parts[0].numbers[i] + parts[1].numbers[i]);
	latent_tally_clear(&whole);
	latent_tally_clear(&parts[0]);
	latent_tally_clear(&parts[1]);
}

/* ---- votes and their spreading ---- */

/* Tokens as words of latents: '.' none, 'a' one chosen that does not vote, '1' one vote, '2' two, 'x' one that was not chosen. */
static void mark(const char *text, int64_t votes, int64_t spread, char *out)
{
	enum { MOST = 64 };
	static const uint8_t chosen[3] = { 1, 1, 0 };
	static const float thresholds[3] = { 1.0F, 1.0F, 1.0F };
	const struct latent_rule rule = { chosen, thresholds, votes, spread };
	int64_t tokens = (int64_t)strlen(text);
	int32_t index[3 * MOST];
	float values[3 * MOST] = { 0 };
	uint8_t marks[MOST];
	assert_true(tokens <= MOST);
	for (int64_t i = 0; i < tokens; i++) {
		int32_t *at = index + 3 * i;
		at[0] = at[1] = at[2] = -1;
		if (text[i] == 'x') {
			at[0] = 2;
			values[3 * i] = 5.0F;
		} else if (text[i] != '.') {
			at[0] = 0;
			values[3 * i] = text[i] == 'a' ? 1.0F : 2.0F;
		}
		if (text[i] == '2') {
			at[1] = 1;
			values[3 * i + 1] = 2.0F;
		}
	}
	assert_int_equal(latents_mark(&rule, tokens, 3, index, values, marks), STATUS_OK);
	for (int64_t i = 0; i < tokens; i++)
		out[i] = (marks[i] & LATENT_FORGET) != 0 ? 'F' : '.';
	out[tokens] = '\0';
}

static void forget_spreads_over_active_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t votes, spread;
		const char *expected;
	} cases[] = {
		{ "..a1a2a1..a1.", 2, -1, "..FFFFFF....." },
		{ "..a1a2a1..a1.", 2, 0, ".....F......." },
		{ "..a1a2a1..a1.", 2, 1, "....FFF......" },
		{ "..a1a2a1..a1.", 1, -1, "..FFFFFF..FF." },
		{ "aa2xaaa2a", 2, -1, "FFF.FFFFF" },
		{ "aa2aaaaa2aa", 2, 2, "FFFFF.FFFFF" },
		{ "1a1x.1", 2, -1, "......" },
		{ "", 1, -1, "" },
		{ "2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.2", 2, -1, "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF.F" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[65];
		mark(cases[i].text, cases[i].votes, cases[i].spread, out);
		assert_string_equal(out, cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_are_those_of_the_loss),
		cmocka_unit_test(dead_latents_have_gradients_of_what_is_left),
		cmocka_unit_test(the_largest_are_chosen),
		cmocka_unit_test(what_is_not_positive_or_no_number_is_not_chosen),
		cmocka_unit_test(training_explains_what_it_sees),
		cmocka_unit_test(a_copy_of_the_state_goes_on_to_the_same_bits),
		cmocka_unit_test(impossible_shapes_are_refused),
		cmocka_unit_test(the_screen_takes_what_is_about_forget),
		cmocka_unit_test(tallies_of_parts_add_up),
		cmocka_unit_test(forget_spreads_over_active_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
