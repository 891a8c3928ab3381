#include "tools/custom.h"

#include <dlfcn.h>
#include <string.h>

#include "codegen/custom_call.h"

CustomOperator *custom_operators(Tool *tool) {
  const TextList *texts = &tool_value(tool, OPTION_CUSTOM)->list;
  CustomOperator *customs = NEW_ARRAY(tool->arena, CustomOperator, texts->count + 1);
  for (int i = 0; i < texts->count; i++) {
    if (!frontend_parse_custom(tool->arena, &tool->diag, texts->items[i], &customs[i])) return NULL;
    for (int k = 0; k < i; k++) {
      if (strcmp(customs[k].type, customs[i].type) != 0 ||
          strcmp(customs[k].domain, customs[i].domain) != 0)
        continue;
      diag_error(&tool->diag, (Loc){0}, "--custom '%s': the operator has a function already, '%s'",
                 texts->items[i], customs[k].symbol);
      return NULL;
    }
  }
  return customs;
}

static void close_library(void *library) { dlclose(library); }

static void *find_function(void *library, const char *symbol) { return dlsym(library, symbol); }

// Its symbols are for everybody: a model that is a shared object asks the loader for them.
bool custom_library_open(Tool *tool) {
  const char *path = tool_text(tool, OPTION_CUSTOM_LIBRARY);
  if (!path || tool->externals) return true;
  void *library = dlopen(strchr(path, '/') ? path : arena_printf(tool->arena, "./%s", path),
                         RTLD_NOW | RTLD_GLOBAL);
  if (!library) return diag_error(&tool->diag, (Loc){0}, "--custom-library: %s", dlerror());
  arena_on_destroy(tool->arena, close_library, library);
  Externals *externals = NEW(tool->arena, Externals);
  *externals =
      (Externals){.find = find_function, .user = library, .library = path, .call = custom_call};
  tool->externals = externals;
  return true;
}
