# Makes ordinary.inc: the words of a dictionary that sound like a word of the grammar, which
# therefore nobody may be taken to have meant by it (rule: no harm from everyday language).
#   awk -f ordinary.awk Unihan_Readings.txt words.def dict.txt
# dict.txt has lines "word frequency part-of-speech" (Debian's python3-jieba, MIT licence).
# - ordinary_words: ordinary words that sound like a word with same-syllable matching (SOUND)
# - ordinary_twins: words with SOUND whose twin, by the usual reading of each character, is so common
#   that their sound means nothing
# Plain POSIX awk on bytes (LC_ALL=C), so that mawk will do.
function code(text, at,    c, lead) {
    c = ord[substr(text, at, 1)]
    if (c < 128)
        lead = 1
    else if (c < 224)
        lead = 2
    else
        lead = c < 240 ? 3 : 4
    return lead
}
# The characters of a word into chars[1..n]; returns n.
function cut(text, chars,    at, n, size) {
    n = 0
    for (at = 1; at <= length(text); at += size) {
        size = code(text, at)
        chars[++n] = substr(text, at, size)
    }
    return n
}
function hex(text,    value, i) {
    value = 0
    for (i = 1; i <= length(text); i++)
        value = value * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
    return value
}
# All Han characters of the basic plane have three bytes.
function utf8(cp) {
    return sprintf("%c%c%c", 224 + int(cp / 4096), 128 + int(cp / 64) % 64, 128 + cp % 64)
}
function toneless(text) {
    gsub(/ā|á|ǎ|à/, "a", text)
    gsub(/ē|é|ě|è|ê̄|ế|ê̌|ề/, "e", text)
    gsub(/ī|í|ǐ|ì/, "i", text)
    gsub(/ō|ó|ǒ|ò/, "o", text)
    gsub(/ū|ú|ǔ|ù/, "u", text)
    gsub(/ǖ|ǘ|ǚ|ǜ|ü/, "v", text)
    gsub(/ń|ň|ǹ/, "n", text)
    gsub(/[^a-z]/, "", text)
    return text
}
function shares(a, b,    many, one, i) {
    many = split(sound[a], one, " ")
    for (i = 1; i <= many; i++)
        if (index(" " sound[b] " ", " " one[i] " "))
            return 1
    return 0
}
function usually_shares(a, b) {
    return (a in usual) && (b in usual) && usual[a] == usual[b]
}
function is_twin(n, i,    j) {
    for (j = 1; j <= n; j++)
        if (!usually_shares(char[j], spelt[i, j]))
            return 0
    return 1
}
function sounds_like(word, n, i,    j) {
    if (n != size[i])
        return 0
    for (j = 1; j <= n; j++)
        if (!shares(char[j], spelt[i, j]))
            return 0
    return 1
}
BEGIN {
    for (i = 1; i < 256; i++)
        ord[sprintf("%c", i)] = i
    ordinary = 20
    common = 100
    words = founds = 0
}
FILENAME ~ /Readings/ && /\tk(Mandarin|HanyuPinlu)\t/ {
    split($0, field, "\t")
    at = hex(substr(field[1], 3))
    if (at < 19968 || at > 40959)
        next
    many = split(field[3], reading, " ")
    if (field[2] == "kMandarin")
        usual[utf8(at)] = toneless(reading[1])
    for (i = 1; i <= (field[2] == "kMandarin" ? 1 : many); i++) {
        count = reading[i]
        gsub(/.*\(|\).*/, "", count)
        if (field[2] == "kMandarin" || count + 0 >= ordinary)
            sound[utf8(at)] = sound[utf8(at)] " " toneless(reading[i])
    }
    next
}
FILENAME ~ /words\.def/ && /^WORD\("/ {
    split($0, field, "\"")
    known[field[2]] = 1
    if ($0 !~ /, SOUND\)/)
        next
    words++
    word_of[words] = field[2]
    size[words] = cut(field[2], char)
    for (i = 1; i <= size[words]; i++)
        spelt[words, i] = char[i]
    next
}
FILENAME ~ /dict/ && $2 + 0 >= ordinary && length($1) >= 6 && length($1) <= 15 && !($1 in known) {
    n = cut($1, char)
    for (i = 1; i <= words; i++)
        if (sounds_like($1, n, i)) {
            if (!($1 in found)) {
                found[$1] = 1
                order[++founds] = $1
            }
            if ($2 + 0 >= common && is_twin(n, i))
                twin[word_of[i]] = 1
        }
}
END {
    if (words == 0)
        exit 1
    print "/* made by ordinary.awk from a dictionary and the Unicode Character Database */"
    print "static const char *const ordinary_words[] = {"
    for (i = 1; i <= founds; i++)
        printf "    \"%s\",\n", order[i]
    print "};\nstatic const char *const ordinary_twins[] = {"
    for (i = 1; i <= words; i++)
        if (word_of[i] in twin)
            printf "    \"%s\",\n", word_of[i]
    print "};"
}
