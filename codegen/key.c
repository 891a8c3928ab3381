// Serialises a node without names.
#include "codegen/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/builder.h"
#include "ir/sized.h"

typedef struct KeyWriter {
  FILE *out;
  Arena *arena;
  bool plain_scales; // scales lie in packed tables: only zero points count
} KeyWriter;

static void write_attribute(KeyWriter *w, const Attribute *a) {
  fprintf(w->out, " %s=", attribute_info[a->id].text);
  switch (attribute_info[a->id].kind) {
  case KIND_INT: fprintf(w->out, "%lld", (long long)a->int_value); return;
  case KIND_FLOAT: fprintf(w->out, "%a", a->float_value); return;
  case KIND_STRING: fprintf(w->out, "%s", a->string_value); return;
  case KIND_INTS:
    for (int i = 0; i < a->count; i++) fprintf(w->out, "%lld,", (long long)a->ints[i]);
    return;
  case KIND_FLOATS:
    for (int i = 0; i < a->count; i++) fprintf(w->out, "%a,", a->floats[i]);
    return;
  case KIND_DIMS:
    for (int i = 0; i < a->count; i++) fprintf(w->out, "%s,", dim_text(w->arena, a->dims[i]));
    return;
  }
}

static void write_storage(KeyWriter *w, const Storage *storage) {
  for (int i = 0; i < storage->count; i++) {
    const Stage *s = &storage->stages[i];
    fprintf(w->out, " %s(%d,%d,%d,%d,%d,%d,%d)", stage_text(s->kind), (int)s->layout, s->tile,
            s->group, s->block_rows, s->block_columns, s->bits, s->centroid_count);
  }
}

static void write_type(KeyWriter *w, const Type *type) {
  // Per-axis parameters are data that pack functions turn into tables; only their presence counts.
  Type plain = *type;
  if (type->quant && type->quant->count > 1) {
    plain.quant = NULL;
    fprintf(w->out, "axis%d ", type->quant->axis);
  } else if (type->quant && w->plain_scales) {
    plain.quant = NULL;
    fprintf(w->out, "zero%d ", (int)type->quant->zero[0]);
  }
  fputs(type_text(w->arena, &plain), w->out);
}

static void write_value(KeyWriter *w, const Value *value) {
  if (!value) {
    fputs(" _", w->out);
    return;
  }
  fputc(' ', w->out);
  write_type(w, &value->type);
  const Constant *constant = value_constant(value);
  if (!constant) return;
  fputs(" const", w->out);
  write_storage(w, &constant->storage);
  int64_t count;
  if (!type_max_count(&value->type, &count) || count != 1) return;
  for (size_t i = 0; i < constant->bytes; i++)
    fprintf(w->out, " %02x", ((const unsigned char *)constant->data)[i]);
}

static void write_node(KeyWriter *w, const Node *node);

static void write_region(KeyWriter *w, const Graph *region) {
  fputs(" {", w->out);
  w->plain_scales = false;
  int number = 0;
  for (int i = 0; i < region->input_count; i++) region->inputs[i]->mark = number++;
  for (const Node *node = region->first; node; node = node->next) {
    for (int i = 0; i < node->operand_count; i++)
      fprintf(w->out, " %lld", node->operands[i] ? (long long)node->operands[i]->mark : -1LL);
    for (int i = 0; i < node->result_count; i++) node->results[i]->mark = number++;
    write_node(w, node);
  }
  fputs(" ->", w->out);
  for (int i = 0; i < region->output_count; i++)
    fprintf(w->out, " %lld", (long long)region->outputs[i]->mark);
  fputs("}", w->out);
}

static void write_node(KeyWriter *w, const Node *node) {
  fprintf(w->out, ";%s", op_info[node->op].text);
  for (int i = 0; i < node->attribute_count; i++) write_attribute(w, &node->attributes[i]);
  for (int i = 0; i < node->operand_count; i++) write_value(w, node->operands[i]);
  fputs(" ->", w->out);
  for (int i = 0; i < node->result_count; i++) write_value(w, node->results[i]);
  for (int i = 0; i < node->region_count; i++) write_region(w, node->regions[i]);
}

static const Placement *home_of(const Value *value) {
  while (value->placement.kind == PLACE_ALIAS) value = value->placement.alias;
  return &value->placement;
}

// Which operands lie in the same memory as others or as a result.
static void write_sharing(KeyWriter *w, const Node *node) {
  for (int i = 0; i < node->operand_count; i++)
    for (int k = 0; k < i + node->result_count; k++) {
      const Value *a = node->operands[i], *b = k < i ? node->operands[k] : node->results[k - i];
      if (!a || !b || value_is_constant(a) || value_is_constant(b)) continue;
      const Placement *pa = home_of(a), *pb = home_of(b);
      if (pa->kind == pb->kind && pa->offset == pb->offset)
        fprintf(w->out, " %d~%d", i, k < i ? k : k - i + 1000);
    }
}

const char *kernel_key(Arena *arena, const Node *node, const KernelRow *row) {
  char *buffer = NULL;
  size_t size = 0;
  KeyWriter w = {open_memstream(&buffer, &size), arena,
                 (row->packed_operands & SCALES_PACKED) != 0};
  if (!w.out) machine_failed("out of memory");
  fputs(row->name, w.out);
  write_node(&w, node);
  write_sharing(&w, node);
  fclose(w.out);
  const char *key = arena_strndup(arena, buffer, size);
  free(buffer);
  return key;
}

// --- symbols

static void mark_dim(const Dim *dim, bool *used) {
  for (int i = 0; i < dim_term_count(dim); i++) {
    const DimTerm *term = &dim_terms(dim)[i];
    for (int k = 0; k < term->atom_count; k++) {
      const Atom *atom = term->atoms[k];
      if (atom->kind == ATOM_SYMBOL) {
        used[atom->index] = true;
        continue;
      }
      mark_dim(atom->left, used);
      mark_dim(atom->right, used);
    }
  }
}

static void mark_type(const Type *type, bool *used) {
  for (int i = 0; type->kind == TYPE_TENSOR && i < type->rank; i++) mark_dim(type->dims[i], used);
}

static void mark_node(const Node *node, bool *used) {
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i]) mark_type(&node->operands[i]->type, used);
  for (int i = 0; i < node->result_count; i++) mark_type(&node->results[i]->type, used);
  for (int i = 0; i < node->attribute_count; i++) {
    const Attribute *a = &node->attributes[i];
    if (attribute_info[a->id].kind != KIND_DIMS) continue;
    for (int k = 0; k < a->count; k++) mark_dim(a->dims[k], used);
  }
  for (int r = 0; r < node->region_count; r++)
    for (const Node *inner = node->regions[r]->first; inner; inner = inner->next)
      mark_node(inner, used);
}

const int *kernel_symbols(Arena *arena, const DimTable *dims, const Node *node, int *count) {
  int all = dim_symbol_count(dims);
  bool *used = NEW_ARRAY(arena, bool, all);
  int *symbols = NEW_ARRAY(arena, int, all);
  mark_node(node, used);
  const Dim *found[MAX_SIZES]; // what the kernel itself finds is no argument
  for (int i = node_has_trait(node, SIZED) ? sized_dims(node, found) : 0; i-- > 0;)
    used[dim_terms(found[i])[0].atoms[0]->index] = false;
  *count = 0;
  for (int i = 0; i < all; i++)
    if (used[i]) symbols[(*count)++] = i;
  return symbols;
}
