// tenon search: the search for compression recipes is not part of this version; saying so is better
// than an unknown command, since the documentation of the command line names it.
#include "tools/tool.h"

Status command_search(Tool *tool) {
  (void)tool;
  return usage_error("'search' is not available in this version; choose passes with 'compile "
                     "--passes=..' (tenon passes)");
}
