/* What the duty says where everybody can listen, by radio: no names, no numbers but those of the
 * alarm's code and the police. And the one-line code of an alarm: "S17#48217 东门报警07:20
 * 接手回48217 1", whose last digit of five checks the four before it, because it is read aloud,
 * typed with gloves on and passed on by hand. "48217 1" takes the alarm like 出警4821, "48217 0"
 * ends it like 解除4821. Pure. */
#ifndef TOUYAN_DUTY_AIR_H
#define TOUYAN_DUTY_AIR_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/duty/recognise.h"
#include "gateway/duty/texts.h"

enum {
    AIR_CODE_SIZE = COMMAND_CODE_SIZE + 1,
    AIR_LINE_SIZE = 128,
    AIR_SCHOOL_CHARS = 6,
    AIR_POST_CHARS = 6,
};

/* Four digits and their check digit (Damm: finds each wrong digit and each two that changed
 * places).
 * "" when `code` is not of four digits. */
void air_code(const char *code, char ret[AIR_CODE_SIZE]);
/* A text by radio as the command that it stands for: of a word and five digits the fifth is
 * dropped, and a code with 1 or 0 alone becomes 出警 or 解除. Anything else stays. False: the fifth
 * digit does not fit the other four, so that nothing may be done; ret is then the code as it was
 * written. ret has room for `text`, and for 16 bytes. */
bool air_read(const char *text, char *ret, size_t size);

/* fields.reason: what happened ("报警"); school_code, school, post, start, code. */
void air_line(enum text_lang lang, const struct text_fields *fields, char ret[AIR_LINE_SIZE]);
/* The same for an alarm of that kind: "fire", "intrusion", "call"; anything else is a panic. */
void air_alarm(enum text_lang lang, const char *kind, const char *school_code,
               const struct text_fields *fields, char ret[AIR_LINE_SIZE]);

/* The text without names and numbers. False: it cannot be said so, because its list may hold
 * names. */
bool air_render(enum text_id id, enum text_lang lang, const struct text_fields *fields, char *ret,
                size_t size);

#endif
