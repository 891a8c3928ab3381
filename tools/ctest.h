// --emit=c-test: a C program that runs the compiled model on recorded inputs and compares.
#ifndef TENON_TOOLS_CTEST_H
#define TENON_TOOLS_CTEST_H

#include "tools/model.h"

// The inputs are the first sample of --data, else random; the expected outputs are the
// interpreter's. `header` is the model's header, beside the test. False: reported.
bool c_test_write(Tool *tool, const Module *module, const char *prefix, const char *header,
                  const char *path);

#endif
