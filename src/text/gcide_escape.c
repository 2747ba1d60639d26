/* Table of the bracket escapes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/gcide_escape.h"

#include <string.h>

struct escape {
	const char *name, *text;
};

static const struct escape ESCAPES[] = {
	/* ligatures and letters */
	{ "ae", "æ" },
	{ "AE", "Æ" },
	{ "oe", "œ" },
	{ "OE", "Œ" },
	{ "eth", "ð" },
	{ "thorn", "þ" },
	{ "yogh", "ȝ" },
	{ "=ae", "ǣ" },
	{ "'ae", "ǽ" },
	{ "ng", "ŋ" },
	{ "th", "th" },
	{ "ss", "ß" },
	{ "asl", "ā" },
	{ "imac", "ī" },
	{ "aum", "ä" },
	{ "add", "a̤" },
	{ "udd", "ṳ" },
	{ "=oo", "o͞o" },
	{ "oo^", "o͝o" },
	{ "digamma", "ϝ" },
	/* Greek letters by name */
	{ "alpha", "α" },
	{ "beta", "β" },
	{ "gamma", "γ" },
	{ "delta", "δ" },
	{ "epsilon", "ε" },
	{ "zeta", "ζ" },
	{ "eta", "η" },
	{ "theta", "θ" },
	{ "iota", "ι" },
	{ "kappa", "κ" },
	{ "lambda", "λ" },
	{ "mu", "μ" },
	{ "nu", "ν" },
	{ "xi", "ξ" },
	{ "omicron", "ο" },
	{ "pi", "π" },
	{ "rho", "ρ" },
	{ "sigma", "σ" },
	{ "sigmat", "ς" },
	{ "tau", "τ" },
	{ "upsilon", "υ" },
	{ "phi", "φ" },
	{ "chi", "χ" },
	{ "psi", "ψ" },
	{ "omega", "ω" },
	{ "Gamma", "Γ" },
	{ "Delta", "Δ" },
	{ "Theta", "Θ" },
	{ "Lambda", "Λ" },
	{ "Pi", "Π" },
	{ "Sigma", "Σ" },
	{ "Upsilon", "Υ" },
	{ "Phi", "Φ" },
	{ "Chi", "Χ" },
	{ "Psi", "Ψ" },
	{ "Omega", "Ω" },
	/* signs */
	{ "deg", "°" },
	{ "root", "√" },
	{ "cuberoot", "∛" },
	{ "sect", "§" },
	{ "para", "¶" },
	{ "pounds", "£" },
	{ "times", "×" },
	{ "div", "÷" },
	{ "divby", "÷" },
	{ "min", "′" },
	{ "sec", "″" },
	{ "bprime", "″" },
	{ "flat", "♭" },
	{ "sharp", "♯" },
	{ "dagger", "†" },
	{ "dag", "†" },
	{ "middot", "·" },
	{ "rarr", "→" },
	{ "nbsp", " " },
	{ "ldqo", "“" },
	{ "rdqo", "”" },
	{ "frac43", "4/3" },
	{ "asterism", "⁂" },
	{ "crescent", "☾" },
};

/* Letters of Latin-1 and Latin Extended-A in one code point, so that common words look as people write them. */
static const struct escape COMPOSED[] = {
	{ "\"a", "ä" }, { "\"e", "ë" }, { "\"i", "ï" }, { "\"o", "ö" }, { "\"u", "ü" }, { "\"y", "ÿ" }, { "\"A", "Ä" },
	{ "\"O", "Ö" }, { "\"U", "Ü" }, { "\"E", "Ë" }, { "\"I", "Ï" }, { "'a", "á" },  { "'e", "é" },  { "'i", "í" },
	{ "'o", "ó" },  { "'u", "ú" },  { "'y", "ý" },  { "'A", "Á" },  { "'E", "É" },  { "'I", "Í" },  { "'O", "Ó" },
	{ "'U", "Ú" },  { "`a", "à" },  { "`e", "è" },  { "`i", "ì" },  { "`o", "ò" },  { "`u", "ù" },  { "`A", "À" },
	{ "`E", "È" },  { "^a", "â" },  { "^e", "ê" },  { "^i", "î" },  { "^o", "ô" },  { "^u", "û" },  { "^A", "Â" },
	{ "^E", "Ê" },  { "^O", "Ô" },  { "~n", "ñ" },  { "~a", "ã" },  { "~o", "õ" },  { "~N", "Ñ" },  { "~e", "ẽ" },
	{ ",c", "ç" },  { ",C", "Ç" },  { "=a", "ā" },  { "=e", "ē" },  { "=i", "ī" },  { "=o", "ō" },  { "=u", "ū" },
	{ "=y", "ȳ" },  { "=A", "Ā" },  { "=E", "Ē" },  { "=O", "Ō" },  { "a^", "ă" },  { "e^", "ĕ" },  { "i^", "ĭ" },
	{ "o^", "ŏ" },  { "u^", "ŭ" },  { "A^", "Ă" },  { "E^", "Ĕ" },  { "O^", "Ŏ" },  { ".a", "ȧ" },  { ".n", "ṅ" },
	{ ".t", "ṭ" },  { ".r", "ṛ" },  { ".h", "ḥ" },  { ".m", "ṃ" },  { ".s", "ṣ" },  { ".d", "ḍ" },  { ".u", "ụ" },
	{ "-a", "ā" },  { "-e", "ē" },  { "-i", "ī" },  { "-o", "ō" },  { "-u", "ū" },  { "y^", "y̆" },
};

static const char *find(const struct escape *table, size_t count, const char *name, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		/* Not strncmp: a file may have zero bytes in it, which would end the comparison before `size`. */
		if (strlen(table[i].name) == size && memcmp(table[i].name, name, size) == 0)
			return table[i].text;
	}
	return NULL;
}

const char *gcide_escape(const char *text, size_t size, size_t *length)
{
	enum { NAME_MAX_SIZE = 10 };
	if (size < 3 || text[0] != '[')
		return NULL;
	size_t limit = size - 1 < NAME_MAX_SIZE + 1 ? size - 1 : NAME_MAX_SIZE + 1;
	const char *close = memchr(text + 1, ']', limit);
	if (close == NULL || close == text + 1)
		return NULL;
	size_t name = (size_t)(close - text) - 1;
	const char *found = find(ESCAPES, sizeof ESCAPES / sizeof ESCAPES[0], text + 1, name);
	if (found == NULL && name == 2)
		found = find(COMPOSED, sizeof COMPOSED / sizeof COMPOSED[0], text + 1, name);
	if (found != NULL)
		*length = name + 2;
	return found;
}
