# Writes FILES as an array ARRAY of struct STRUCT {name, text}, one character list each: no quoting to
# get wrong and no limit on the length of a literal.
set(text "/* made by embed.cmake */\n")
set(names "")
foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND text "static const unsigned char file_${name}[] = {${bytes}0};\n")
    string(APPEND names "    {\"${name}\", (const char *)file_${name}},\n")
endforeach()
string(APPEND text "static const struct ${STRUCT} ${ARRAY}[] = {\n${names}};\n")
file(WRITE ${OUT} "${text}")
