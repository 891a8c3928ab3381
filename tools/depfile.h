// -MD: a rule for make and ninja that names every file the result was made of.
#ifndef TENON_TOOLS_DEPFILE_H
#define TENON_TOOLS_DEPFILE_H

#include "tools/tool.h"

// `output` is the first output file. False: reported.
bool depfile_write(Tool *tool, const char *source, const char *output);

#endif
