// --custom and --custom-library.
#ifndef TENON_TOOLS_CUSTOM_H
#define TENON_TOOLS_CUSTOM_H

#include "frontend/frontend.h"
#include "tools/tool.h"

// What --custom declares, one for each time it was given; NULL: reported.
CustomOperator *custom_operators(Tool *tool);
// Loads the library, once, and sets tool->externals. True where there is none; false: reported.
bool custom_library_open(Tool *tool);

#endif
