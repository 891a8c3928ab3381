// Help texts, made from the tables.
#ifndef TENON_TOOLS_HELP_H
#define TENON_TOOLS_HELP_H

#include "tools/options.h"

void help_overview(FILE *stream);
Status help_command(const Command *command);
Status help_version(void);

#endif
