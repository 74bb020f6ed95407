/* The files themselves, made into C by embed.cmake. */
#include "mqtt/shipped.h"

#include "rules.inc"

const struct shipped_rules *const shipped_rules = rule_files;
const size_t shipped_rules_count = sizeof rule_files / sizeof rule_files[0];
