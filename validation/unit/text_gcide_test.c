/* Dictionary entries written by hand: one test for each rule about the scope of a field mark, and for the clean text.
 * The last tests read the real dictionary where CAPSHAPE_GCIDE names its folder (gcide.dict.dz and gcide.index).
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/storage_fixture.h"

#include "text/corpus.h"
#include "text/gcide_entry.h"
#include "text/gcide_escape.h"
#include "text/gcide_index.h"
#include "text/gcide_marks.h"

/* The clean text with every labelled stretch as <forget:...>, <retain:...> or <other:...>. */
static char *rendered(const struct gcide_entry *entry)
{
	char *out = calloc(entry->size + 16 * entry->span_count + 1, 1);
	assert_non_null(out);
	size_t used = 0, span = 0;
	for (size_t i = 0; i <= entry->size; i++) {
		if (span < entry->span_count && entry->spans[span].end == i) {
			out[used++] = '>';
			span++;
		}
		if (span < entry->span_count && entry->spans[span].begin == i)
			used += (size_t)sprintf(out + used, "<%s:", domain_name(entry->spans[span].domain));
		if (i < entry->size)
			out[used++] = entry->text[i];
	}
	return out;
}

static void check(const char *text, const char *expected, enum domain domain)
{
	struct gcide_mark_lists *lists = NULL;
	struct gcide_entry entry = { 0 };
	assert_good(gcide_mark_lists_create("Med. Anat. Surg.", "Zool., Bot. Biol.", &lists));
	assert_good(gcide_entry_parse(text, strlen(text), lists, &entry));
	char *found = rendered(&entry);
	assert_string_equal(found, expected);
	assert_string_equal(domain_name(entry.domain), domain_name(domain));
	free(found);
	gcide_entry_clear(&entry);
	gcide_mark_lists_destroy(lists);
}

static void head_mark_covers_the_whole_entry(void **state)
{
	(void)state;
	check("Swelling \\Swell\"ing\\ (sw[e^]l\"[i^]ng), n. [From {Swell}.] (Med.)\n"
	      "   A bump.\n"
	      "   [1913 Webster]\n"
	      "\n"
	      "   Note: It may hurt.\n"
	      "         [1913 Webster]\n"
	      "\n"
	      "   {White swelling}, a pale one.\n"
	      "      [1913 Webster]\n",
	      "<forget:Swelling, n. [From Swell.]\nA bump.\nNote: It may hurt.\nWhite swelling, a pale one.>",
	      DOMAIN_FORGET);
}

static void mark_before_the_definition_is_a_head_mark(void **state)
{
	(void)state;
	check("Newt \\Newt\\, n.\n   (Zool.) A small animal.\n\n   {Red newt}, one of them.\n",
	      "<retain:Newt, n.\nA small animal.\nRed newt, one of them.>", DOMAIN_RETAIN);
}

static void senses_with_own_marks_leave_the_head(void **state)
{
	(void)state;
	check("Body \\Bod\"y\\, n. (Anat.)\n"
	      "   1. The frame.\n"
	      "\n"
	      "   2. (Bot.) A stem.\n"
	      "\n"
	      "   3. A trunk.\n",
	      "<forget:Body, n.\n1. The frame.\n><retain:2. A stem.\n><forget:3. A trunk.>", DOMAIN_FORGET);
}

static void sense_mark_ends_at_the_next_sense(void **state)
{
	(void)state;
	check("Chill \\Chill\\, n.\n"
	      "   1. Want of heat.\n"
	      "      [1913 Webster]\n"
	      "\n"
	      "   2. (Med.) A shiver that\n"
	      "      comes before a fever.\n"
	      "      [1913 Webster]\n"
	      "\n"
	      "            He lay in a chill.                    --Old Play.\n"
	      "      [1913 Webster]\n"
	      "\n"
	      "   3. A check to joy.\n"
	      "      [1913 Webster]\n",
	      "Chill, n.\n1. Want of heat.\n"
	      "<forget:2. A shiver that comes before a fever.\nHe lay in a chill. --Old Play.\n>3. A check to joy.",
	      DOMAIN_FORGET);
}

static void sense_mark_does_not_reach_collocations(void **state)
{
	(void)state;
	check("Pale \\Pale\\, a.\n"
	      "   1. Not bright.\n"
	      "\n"
	      "   2. (Med.) Without blood.\n"
	      "\n"
	      "   Note: Said of the sick.\n"
	      "\n"
	      "   {Pale ale}, a drink.\n"
	      "\n"
	      "   Syn: White.\n",
	      "Pale, a.\n1. Not bright.\n<forget:2. Without blood.\nNote: Said of the sick.\n>Pale ale, a drink.\nSyn: "
	      "White.",
	      DOMAIN_OTHER);
}

static void subsense_mark_ends_at_the_next_letter(void **state)
{
	(void)state;
	check("Root \\Root\\, n.\n"
	      "   1. What holds fast:\n"
	      "      (a) (Bot.) The part below the ground.\n"
	      "      (b) (Anat.) The part of a tooth in the\n"
	      "          jaw.\n"
	      "      (c) A cause.\n"
	      "\n"
	      "   2. An ancestor.\n",
	      "Root, n.\n1. What holds fast:\n<retain:(a) The part below the ground.\n>"
	      "<forget:(b) The part of a tooth in the jaw.\n>(c) A cause.\n2. An ancestor.",
	      DOMAIN_OTHER);
}

static void sense_mark_covers_subsenses_without_own(void **state)
{
	(void)state;
	check("Arch \\Arch\\, n.\n"
	      "   1. (Anat.)\n"
	      "      (a) A curve of the foot.\n"
	      "      (b) (Arch.) A curve of stone.\n"
	      "      (c) A curve of the palate.\n"
	      "\n"
	      "   2. Any curve.\n",
	      "Arch, n.\n<forget:1.\n(a) A curve of the foot.\n><other:(b) A curve of stone.\n>"
	      "<forget:(c) A curve of the palate.\n>2. Any curve.",
	      DOMAIN_FORGET);
}

static void collocation_mark_covers_its_paragraph_only(void **state)
{
	(void)state;
	check("Cold \\Cold\\, n.\n"
	      "   Want of heat.\n"
	      "\n"
	      "   {Cold pimple} (Med.), a small\n"
	      "      bump.\n"
	      "\n"
	      "   {Cold bath}, {Cold swim}. (Med.) See {Bath}.\n"
	      "\n"
	      "            It was a cold bath.                   --Old Play.\n"
	      "\n"
	      "   {Cold welcome}, an unkind one.\n",
	      "Cold, n.\nWant of heat.\n<forget:Cold pimple, a small bump.\nCold bath, Cold swim. See Bath.\n>"
	      "It was a cold bath. --Old Play.\nCold welcome, an unkind one.",
	      DOMAIN_OTHER);
}

static void collocation_mark_covers_its_subsenses(void **state)
{
	(void)state;
	check("Cold \\Cold\\, n. (Zool.)\n"
	      "   Want of heat.\n"
	      "\n"
	      "   {Cold lump} (Med.),\n"
	      "   (a) a bump.\n"
	      "   (b) another.\n"
	      "\n"
	      "   {Cold swim}, a bath.\n",
	      "<retain:Cold, n.\nWant of heat.\n><forget:Cold lump,\n(a) a bump.\n(b) another.\n><retain:Cold swim, a "
	      "bath.>",
	      DOMAIN_RETAIN);
}

static void mark_in_the_middle_covers_the_rest_of_its_part(void **state)
{
	(void)state;
	check("Purge \\Purge\\, n.\n"
	      "   1. A cleaning; specifically (Med.), a cleaning of\n"
	      "      the bowels.\n"
	      "\n"
	      "            A great purge.                        --Old Play.\n"
	      "\n"
	      "   2. A trial.\n",
	      "Purge, n.\n1. A cleaning; specifically<forget:, a cleaning of the bowels.\n>A great purge. --Old Play.\n"
	      "2. A trial.",
	      DOMAIN_OTHER);
}

static void mark_at_the_end_covers_the_subsenses_that_follow(void **state)
{
	(void)state;
	check("Lump \\Lump\\, n.\n"
	      "   1. A mass. Among doctors: (Med.)\n"
	      "      (a) A growth.\n"
	      "      (b) A bump.\n"
	      "\n"
	      "   2. A heap.\n",
	      "Lump, n.\n1. A mass. Among doctors:\n<forget:(a) A growth.\n(b) A bump.\n>2. A heap.", DOMAIN_OTHER);
}

static void etymology_marks_have_no_scope(void **state)
{
	(void)state;
	check("Foal \\Foal\\, n. [L., a name (Zool.) of old.]\n   A young horse.\n",
	      "Foal, n. [L., a name of old.]\nA young horse.", DOMAIN_OTHER);
}

static void combined_marks_forget_before_retain(void **state)
{
	(void)state;
	check("A \\A\\, n. (Anat. & Zool.)\n   First.\n", "<forget:A, n.\nFirst.>", DOMAIN_FORGET);
	check("B \\B\\, n. (Bot. & Chem.)\n   Second.\n", "<retain:B, n.\nSecond.>", DOMAIN_RETAIN);
	check("C \\C\\, n. (Zool.\n   & Anat.)\n   Third.\n", "<forget:C, n.\nThird.>", DOMAIN_FORGET);
	check("D \\D\\, n. (Naut.) (Bot.)\n   Fourth.\n", "<retain:D, n.\nFourth.>", DOMAIN_RETAIN);
	check("E \\E\\, n. (Naut. & Mil.)\n   Fifth.\n", "<other:E, n.\nFifth.>", DOMAIN_OTHER);
	check("F \\F\\, n. (Zo[\"o]l.)\n   Sixth.\n", "<retain:F, n.\nSixth.>", DOMAIN_RETAIN);
	check("G \\G\\, n. (Old Med.)\n   Seventh.\n", "<forget:G, n.\nSeventh.>", DOMAIN_FORGET);
	check("H \\H\\, n. (Med., Immunology)\n   Eighth.\n", "<forget:H, n.\nEighth.>", DOMAIN_FORGET);
}

static void what_is_no_field_mark_stays(void **state)
{
	(void)state;
	check("Ox \\Ox\\, n. (L. bos), (Gr. ?), (Fig.), (Rev. Ver.), (Law)\n   Beast ({Bos taurus} Linn.) (Colloq.).\n",
	      "Ox, n. (L. bos), (Gr. ?), (Fig.), (Rev. Ver.), (Law)\nBeast (Bos taurus Linn.) (Colloq.).",
	      DOMAIN_UNMARKED);
}

static void numbers_at_line_begins_are_not_all_senses(void **state)
{
	(void)state;
	/* The line before is full, so "2." was wrapped; and so was "(c)". */
	check("Blast \\Blast\\, n.\n"
	      "   1. (Med.) A thing that is described under the word Sound, n.,\n"
	      "   9. It is fully treated there and elsewhere, as under item five\n"
	      "   (c) of the same.\n"
	      "   2. A gust.\n",
	      "Blast, n.\n<forget:1. A thing that is described under the word Sound, n., 9. It is fully treated there "
	      "and "
	      "elsewhere, as under item five (c) of the same.\n>2. A gust.",
	      DOMAIN_FORGET);
}

static void first_sense_may_be_missing(void **state)
{
	(void)state;
	check("Odd \\Odd\\, a.\n\n   4. (Med.) Strange.\n\n   2. Single.\n",
	      "Odd, a.\n<forget:4. Strange.\n>2. Single.", DOMAIN_OTHER);
}

static void text_is_cleaned(void **state)
{
	(void)state;
	check("Caf['e] \\Ca`f['e]\"\\ (k[a^]`f[asl]\"), n.; pl. {Caf['e]s}\n"
	      "   (-f[=a]z). [F. caf['e] coffee.]\n"
	      "   A room at 20[deg] for co[\"o]perative [ae]sthetes. [Obs.]\n"
	      "   [1913 Webster +PJC]\n"
	      "\n"
	      "   {Caf\"e*ing}, adj.; [unknown] stays.\n"
	      "   [Webster 1913 Suppl.]\n"
	      "   [WordNet 1.5]\n",
	      "Café, n.; pl. Cafés. [F. café coffee.]\nA room at 20° for coöperative æsthetes. [Obs.]\n"
	      "Cafeing, adj.; [unknown] stays.",
	      DOMAIN_UNMARKED);
}

static void stray_bytes_become_characters(void **state)
{
	(void)state;
	check("It\x92s \\x\\, n.\n   \xff\xc3\xa9\x01\n", "It’s, n.\n\xef\xbf\xbd\xc3\xa9", DOMAIN_UNMARKED);
	check("", "", DOMAIN_UNMARKED);
	check("\n\n", "", DOMAIN_UNMARKED);
	check("(Med.)", "", DOMAIN_OTHER);
}

/* Found by the fuzzer: a zero byte within the brackets. */
static void escapes_end_where_their_brackets_do(void **state)
{
	(void)state;
	size_t length = 0;
	assert_string_equal(gcide_escape("[ae]x", 5, &length), "æ");
	assert_int_equal(length, 4);
	assert_null(gcide_escape("[ae\0]x", 6, &length));
	assert_null(gcide_escape("[ae\0\0\0\0\0]x", 10, &length));
	assert_null(gcide_escape("[a]x", 4, &length));
}

static void key_is_the_head_word(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "Cold \\Cold\\, n.\n   x\n", "cold" },   { "A priori \\A` pri*o\"ri\\\n", "a priori" },
		{ "Melee, M[^e]l['e]e \\x\\\n", "melee" }, { "[AE]on, n.\n", "Æon" },
		{ "\n   2. (Med.) Lost head.\n", "" },
	};
	struct gcide_mark_lists *lists = NULL;
	struct gcide_entry entry = { 0 };
	assert_good(gcide_mark_lists_create(NULL, NULL, &lists));
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_good(gcide_entry_parse(cases[i][0], strlen(cases[i][0]), lists, &entry));
		assert_string_equal(entry.key, cases[i][1]);
	}
	gcide_entry_clear(&entry);
	gcide_mark_lists_destroy(lists);
}

static void document_is_forget_at_half(void **state)
{
	(void)state;
	/* 10 bytes of 20 are labelled; then 10 of 21. */
	check("Abcdefgh.\n\n   {X} (Med.) abcdefg\n", "Abcdefgh.\n<forget:X abcdefg>", DOMAIN_OTHER);
	check("Abcdefg.\n\n   {X} (Med.) abcdefg\n", "Abcdefg.\n<forget:X abcdefg>", DOMAIN_FORGET);
}

static void mark_grammar(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t members;
	} cases[] = {
		{ "(Med.)", 1 },
		{ "(Physiol. Chem.)", 1 },
		{ "( Med. )", 1 },
		{ "(Anat.\n   &\n   Zool.)", 2 },
		{ "(Gr. & Rom. Antiq.)", 2 },
		{ "(Ch. of Eng. & Prot. Epis. Ch.)", 2 },
		{ "(Metric System, Elec., Mech., etc.)", 4 },
		{ "(Steam Eng.)", 1 },
		{ "(R. C. Ch.)", 1 },
		{ "(Med. and Surg.)", 2 },
		{ "(Eng.)", 0 },
		{ "(Gr.)", 0 },
		{ "(med.)", 0 },
		{ "(Med)", 0 },
		{ "(Law)", 0 },
		{ "(Law Dict.)", 0 },
		{ "(See Med.)", 0 },
		{ "(Med. (Anat.))", 0 },
		{ "(Med.", 0 },
		{ "()", 0 },
		{ "(&)", 0 },
		{ "Med.", 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct gcide_mark mark;
		bool found = gcide_mark_parse(cases[i].text, strlen(cases[i].text), &mark);
		if (found != (cases[i].members > 0))
			fail_msg("%s", cases[i].text);
		if (found) {
			assert_int_equal(mark.member_count, cases[i].members);
			assert_int_equal(mark.length, strlen(cases[i].text));
		}
	}
}

static void bad_mark_lists_are_refused(void **state)
{
	(void)state;
	struct gcide_mark_lists *lists = NULL;
	assert_bad(gcide_mark_lists_create("Med. Medd.", NULL, &lists), STATUS_USAGE, "\"Medd.\"");
	assert_bad(gcide_mark_lists_create("Med. Anat.", "Zool. Anat.", &lists), STATUS_USAGE, "Anat.");
	assert_good(gcide_mark_lists_create("Physiol._Chem., Med.", "", &lists));
	struct gcide_mark mark;
	assert_true(gcide_mark_parse("(Physiol. Chem.)", 16, &mark));
	assert_int_equal(gcide_mark_domain(lists, &mark), DOMAIN_FORGET);
	assert_true(gcide_mark_parse("(Chem.)", 7, &mark));
	assert_int_equal(gcide_mark_domain(lists, &mark), DOMAIN_OTHER);
	gcide_mark_lists_destroy(lists);
}

/* ---- the real dictionary ---- */

static struct gcide_dictionary *real_dictionary(void)
{
	const char *folder = getenv("CAPSHAPE_GCIDE");
	struct gcide_dictionary *dictionary = NULL;
	if (folder == NULL || folder[0] == '\0')
		skip();
	else
		assert_good(gcide_dictionary_open(folder, &dictionary));
	return dictionary;
}

static void real_marks_are_all_found(void **state)
{
	(void)state;
	static const struct {
		const char *spelling;
		size_t count;
	} expected[] = {
		{ "Zool.", 10275 }, { "Bot.", 6044 }, { "Chem.", 3436 },    { "Med.", 2606 },
		{ "Anat.", 2103 },  { "Surg.", 238 }, { "Zo[\"o]l.", 277 },
	};
	size_t counts[COUNT(expected)] = { 0 };
	struct gcide_dictionary *dictionary = real_dictionary();
	for (size_t i = 0; i < gcide_dictionary_count(dictionary); i++) {
		size_t size;
		const char *word, *text = gcide_dictionary_entry(dictionary, i, &size, &word);
		struct gcide_mark mark;
		for (const char *at = text; (at = memchr(at, '(', size - (size_t)(at - text))) != NULL; at++) {
			if (!gcide_mark_parse(at, size - (size_t)(at - text), &mark))
				continue;
			for (size_t k = 0; k < COUNT(expected); k++)
				counts[k] += strcmp(mark.spelling, expected[k].spelling) == 0;
		}
	}
	for (size_t k = 0; k < COUNT(expected); k++) {
		if (counts[k] != expected[k].count)
			fail_msg("(%s): %zu, not %zu", expected[k].spelling, counts[k], expected[k].count);
	}
	gcide_dictionary_close(dictionary);
}

/* 126,240 places behind head words other than 00-database*: 126,236 entries and the four notices of the database, which
 * other head words (00-gcide-*, 00-web1913-info) name as well. No mark and no source tag may be left in the text. */
static void real_entries_are_all_read(void **state)
{
	(void)state;
	gcide_dictionary_close(real_dictionary());
	const char *paths[] = { getenv("CAPSHAPE_GCIDE") };
	const struct corpus_options options = { .format = "auto",
		                                .forget_marks = "Med. Anat. Surg.",
		                                .retain_marks = "Zool. Bot. Biol." };
	struct corpus *corpus = NULL;
	struct document document;
	int found;
	size_t count = 0, notices = 0, domains[DOMAIN_COUNT] = { 0 };
	assert_good(corpus_open(paths, 1, &options, &corpus));
	for (;;) {
		assert_good(corpus_next(corpus, &document, &found));
		if (!found)
			break;
		count++;
		notices += strncmp(document.key, "00-", 3) == 0;
		domains[document.domain]++;
		assert_int_equal(document.labels, LABELS_TOKEN);
		assert_null(strstr(document.text, "(Med.)"));
		assert_null(strstr(document.text, "(Zool.)"));
		assert_null(strstr(document.text, "[1913 Webster"));
	}
	assert_int_equal(count, 126240);
	assert_int_equal(notices, 4);
	/* Most documents with a "(Med.)" or "(Anat.)" are about one sense of several. */
	assert_in_range(domains[DOMAIN_FORGET], 3000, 5000);
	assert_in_range(domains[DOMAIN_RETAIN], 11000, 15000);
	corpus_close(corpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_mark_covers_the_whole_entry),
		cmocka_unit_test(mark_before_the_definition_is_a_head_mark),
		cmocka_unit_test(senses_with_own_marks_leave_the_head),
		cmocka_unit_test(sense_mark_ends_at_the_next_sense),
		cmocka_unit_test(sense_mark_does_not_reach_collocations),
		cmocka_unit_test(subsense_mark_ends_at_the_next_letter),
		cmocka_unit_test(sense_mark_covers_subsenses_without_own),
		cmocka_unit_test(collocation_mark_covers_its_paragraph_only),
		cmocka_unit_test(collocation_mark_covers_its_subsenses),
		cmocka_unit_test(mark_in_the_middle_covers_the_rest_of_its_part),
		cmocka_unit_test(mark_at_the_end_covers_the_subsenses_that_follow),
		cmocka_unit_test(etymology_marks_have_no_scope),
		cmocka_unit_test(combined_marks_forget_before_retain),
		cmocka_unit_test(what_is_no_field_mark_stays),
		cmocka_unit_test(numbers_at_line_begins_are_not_all_senses),
		cmocka_unit_test(first_sense_may_be_missing),
		cmocka_unit_test(text_is_cleaned),
		cmocka_unit_test(stray_bytes_become_characters),
		cmocka_unit_test(escapes_end_where_their_brackets_do),
		cmocka_unit_test(key_is_the_head_word),
		cmocka_unit_test(document_is_forget_at_half),
		cmocka_unit_test(mark_grammar),
		cmocka_unit_test(bad_mark_lists_are_refused),
		cmocka_unit_test(real_marks_are_all_found),
		cmocka_unit_test(real_entries_are_all_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
