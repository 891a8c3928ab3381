// tenon ops: the operators, from the table; --markdown: docs/ir-reference.md.
#include <inttypes.h>
#include <string.h>

#include "ir/element.h"
#include "ir/op.h"
#include "ir/storage.h"
#include "tools/tool.h"

static const char *const kind_text[] = {"int", "float", "string", "ints", "floats", "dims"};

static const struct {
  unsigned trait;
  const char *text, *help;
} traits[] = {
    {PURE, "pure", "no effect but its results: may be removed, merged, folded"},
    {POINTWISE, "pointwise",
     "an element of the result depends on the same element of the operands, after broadcasting"},
    {COMMUTATIVE, "commutative", "the two operands may be exchanged"},
    {ACCUMULATES, "accumulates",
     "sums products in registers; may own an epilogue region of pointwise ops"},
    {REGIONS, "regions", "owns functions"},
    {VIEW, "view", "the result is the operand's memory, unchanged"},
    {MOVES, "moves", "moves elements without looking at them"},
    {FALLIBLE, "fallible", "data can make it fail at run time"},
    {OF_LISTS, "of lists", "operands or results may be sequences or optionals"},
    {EXTERNAL, "external", "calls a function of the user's; never computed while compiling"},
    {SIZED, "sized", "data decides a dim of the results: pure, but two of them are never merged"},
    {LINEAR, "linear",
     "takes as long as its operands and results, or the taps of its windows, have elements"},
    {OVERWRITES, "overwrites", "the result may lie where operand 0 does: element by element"},
    {MAKES_TEXT, "makes text", "makes strings with bytes of their own, as many as data decides"},
};
enum { TRAIT_COUNT = sizeof traits / sizeof *traits };

static void print_count(int low, int high) {
  if (high < 0)
    printf(low ? "%d or more" : "any", low);
  else if (low == high)
    printf("%d", low);
  else
    printf("%d to %d", low, high);
}

static void print_traits(unsigned set, const char *none) {
  bool any = false;
  for (int i = 0; i < TRAIT_COUNT; i++) {
    if (!(set & traits[i].trait)) continue;
    printf("%s%s", any ? ", " : "", traits[i].text);
    any = true;
  }
  if (!any) printf("%s", none);
}

static void print_attribute(const AttributeSpec *attribute) {
  const AttributeInfo *info = &attribute_info[attribute->id];
  printf("%s: %s", info->text, kind_text[info->kind]);
  if (info->kind == KIND_INT) printf(" = %" PRId64, attribute->int_default);
  if (info->kind == KIND_FLOAT) printf(" = %.9g", attribute->float_default);
  if (info->kind == KIND_STRING)
    printf(" = \"%s\"", attribute->string_default ? attribute->string_default : "");
}

static void print_ops(void) {
  for (int i = 0; i < OP_COUNT; i++) {
    printf("%-20s %s\n", op_info[i].text, op_info[i].help);
    for (int k = 0; k < op_info[i].attribute_count; k++) {
      printf("%-20s   ", "");
      print_attribute(&op_info[i].attributes[k]);
      printf("\n");
    }
  }
}

// Running text: `*`, `_`, `<` and `[` mean something there.
static void print_prose(const char *text) {
  for (; *text; text++) {
    if (strchr("|<*_[", *text)) putchar('\\');
    putchar(*text);
  }
}

static void print_markdown(void) {
  printf("# IR reference\n\nMade by `tenon ops --markdown` from `ir/ops.def`, `ir/attributes.def`, "
         "`ir/element.def` and\n"
         "`ir/storage.def`: change those, not this page. What the IR is stands in "
         "[ir-text.md](ir-text.md).\n\n## Element types\n\n"
         "| type | bits | meaning |\n|---|---|---|\n");
  for (int i = 0; i < ELEMENT_COUNT; i++)
    printf("| `%s` | %d | %s |\n", element_info[i].text, element_info[i].bits,
           element_info[i].meaning);
  printf("\n## Traits\n\nPasses ask for traits, never for lists of operators.\n\n| trait | meaning "
         "|\n|---|---|\n");
  for (int i = 0; i < TRAIT_COUNT; i++) printf("| %s | %s |\n", traits[i].text, traits[i].help);
  printf("\n## Operators\n\nImages and convolutions are channels-last, `[n, spatial.., c]`. "
         "Optional operands may be absent (`_`).\n\n");
  for (int i = 0; i < OP_COUNT; i++) {
    const OpInfo *op = &op_info[i];
    printf("### %s\n\n", op->text);
    print_prose(op->help);
    printf("\n\n- operands: ");
    print_count(op->min_operands, op->max_operands);
    printf("; results: ");
    print_count(op->results < 0 ? 0 : op->results, op->results);
    printf("; traits: ");
    print_traits(op->traits, "none");
    printf("\n");
    for (int k = 0; k < op->attribute_count; k++) {
      printf("- `");
      print_attribute(&op->attributes[k]);
      printf("`\n");
    }
    printf("\n");
  }
}

Status command_ops(Tool *tool) {
  if (tool_flag(tool, OPTION_MARKDOWN))
    print_markdown();
  else
    print_ops();
  return STATUS_DONE;
}
