# Makes the tables of unihan.c from the Unicode Character Database (Debian's unicode-data):
#   awk -f unihan.awk UnicodeData.txt Unihan_Variants.txt Unihan_Readings.txt
# - unihan_compat: characters that NFKC turns into one other character (full-width forms, circled
#   digits, Kangxi radicals, compatibility ideographs)
# - unihan_simplified: traditional to simplified, first simplified form that is not the character itself
# - unihan_syllable, unihan_names: the toneless Mandarin syllable of each unified ideograph, by number
# - unihan_more: other syllables of characters that are often read otherwise (了: LE and LIAO), by how
#   often kHanyuPinlu has found them; a character may be there more than once
# Plain POSIX awk, so that mawk will do.
function hex(text,    value, i) {
    value = 0
    text = toupper(text)
    for (i = 1; i <= length(text); i++)
        value = value * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
    return value
}
function toneless(text) {
    gsub(/ā|á|ǎ|à/, "a", text)
    gsub(/ē|é|ě|è|ê̄|ế|ê̌|ề/, "e", text)
    gsub(/ī|í|ǐ|ì/, "i", text)
    gsub(/ō|ó|ǒ|ò/, "o", text)
    gsub(/ū|ú|ǔ|ù/, "u", text)
    gsub(/ǖ|ǘ|ǚ|ǜ|ü/, "v", text)
    gsub(/ń|ň|ǹ/, "n", text)
    gsub(/ḿ/, "m", text)
    gsub(/[^a-z]/, "", text)
    return toupper(text)
}
function numbered(name) {
    if (!(name in number)) {
        names[++syllables] = name
        number[name] = syllables
    }
    return number[name]
}
function pair(list, count, from, to) {
    list[count] = sprintf("    {0x%04x, 0x%04x},", from, to)
    return count + 1
}
BEGIN {
    compats = simples = syllables = 0
    often = 20
    first_han = hex("4E00")
    last_han = hex("9FFF")
}
FILENAME ~ /UnicodeData/ {
    split($0, field, ";")
    parts = split(field[6], part, " ")
    target = parts == 2 && part[1] ~ /^</ ? part[2] : parts == 1 ? part[1] : ""
    if (target != "" && length(field[1]) == 4 && length(target) == 4)
        compats = pair(compat, compats, hex(field[1]), hex(target))
    next
}
FILENAME ~ /Variants/ && /\tkSimplifiedVariant\t/ {
    split($0, field, "\t")
    many = split(field[3], variant, " ")
    for (i = 1; i <= many; i++)
        if (length(variant[i]) == 6 && length(field[1]) == 6 && variant[i] != field[1]) {
            simples = pair(simple, simples, hex(substr(field[1], 3)), hex(substr(variant[i], 3)))
            break
        }
    next
}
FILENAME ~ /Readings/ && /\tkMandarin\t/ {
    split($0, field, "\t")
    at = hex(substr(field[1], 3))
    if (at < first_han || at > last_han)
        next
    split(field[3], reading, " ")
    name = toneless(reading[1])
    if (name == "")
        next
    of[at] = numbered(name)
    next
}
FILENAME ~ /Readings/ && /\tkHanyuPinlu\t/ {
    split($0, field, "\t")
    counted[hex(substr(field[1], 3))] = field[3]
    next
}
function print_more(at,    many, reading, i, count, name, told) {
    many = split(counted[at], reading, " ")
    told = "," of[at] ","
    for (i = 1; i <= many; i++) {
        count = reading[i]
        gsub(/.*\(|\).*/, "", count)
        name = toneless(reading[i])
        if (count + 0 < often || name == "" || index(told, "," numbered(name) ","))
            continue
        told = told numbered(name) ","
        more[mores++] = sprintf("    {0x%04x, %d},", at, numbered(name))
    }
}
END {
    mores = 0
    for (i = first_han; i <= last_han; i++)
        if (i in counted)
            print_more(i)
    print "/* made by unihan.awk from the Unicode Character Database */"
    print "static const struct unihan_pair unihan_compat[] = {"
    for (i = 0; i < compats; i++)
        print compat[i]
    print "};\nstatic const struct unihan_pair unihan_simplified[] = {"
    for (i = 0; i < simples; i++)
        print simple[i]
    print "};\nstatic const char unihan_names[][7] = {\n    \"\","
    for (i = 1; i <= syllables; i++)
        printf "    \"%s\",\n", names[i]
    print "};\nstatic const uint16_t unihan_syllable[] = {"
    for (i = first_han; i <= last_han; i++)
        printf "%d,%s", of[i], i % 16 == 15 ? "\n" : ""
    print "};\nstatic const struct unihan_pair unihan_more[] = {"
    for (i = 0; i < mores; i++)
        print more[i]
    print "};"
}
