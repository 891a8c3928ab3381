// Estimates of the work of ops: which are worth other threads' attention, and which not even the
// bytes that fast code takes.
//
// A softmax over the twelve results of a network of millions of multiplications may take ten times
// as long as it has to: nobody can measure it, but everybody pays for its code. So the kernels of
// ops that are a small share of all work are made short.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/internal.h"
#include "codegen/key.h"
#include "ir/builder.h"

static const double elements_per_cycle = 4, products_per_cycle = 16;
// Cycles of one element in scalar code, per op of a fused body, and of one product.
static const double scalar_element_cycles = 8, scalar_product_cycles = 2;
// Shares of the model's work up to which a kernel is short, and goes without vectors: as vectors,
// and as scalars. All of them together, the least first, are not more than `all_share`: a model of
// many ops, none of which is much of it, stays fast.
static const double short_share = 1.0 / 64, scalar_share = 1.0 / 128, all_share = 1.0 / 24;

struct WorkShare {
  const KernelRow *row;
  const char *key;
  double cycles, scalar_cycles;
  WorkCode code;
  WorkShare *next;
};

typedef enum Bound { LEAST, MOST } Bound; // which of the sizes that a symbolic shape allows

static double count_of(const Type *type, Bound bound) {
  double count = 1;
  if (type->kind != TYPE_TENSOR) return bound == MOST ? INFINITY : 0;
  for (int i = 0; i < type->rank; i++) {
    int64_t dim = bound == MOST ? dim_high(type->dims[i]) : dim_low(type->dims[i]);
    count *= dim == DIM_UNBOUNDED ? INFINITY : dim > 0 ? (double)dim : 0;
  }
  return isnan(count) ? 0 : count; // one dim empty, another without bound
}

// Multiplications of a convolution or matrix product with weights, roughly; of other ops 0.
static double products_of(const Node *node, Bound bound) {
  const Type *y = &node->results[0]->type;
  if (!node_has_trait(node, ACCUMULATES) || node_own_operands(node) < 2 || !y->rank) return 0;
  double outputs = (double)dim_high(y->dims[y->rank - 1]),
         weights = count_of(&node->operands[1]->type, bound);
  return outputs < 1 ? 0 : count_of(y, bound) * (weights / outputs);
}

// Taps of a window; of what has none 0.
static double taps_of(const Node *node) {
  const Attribute *kernel = node_attribute(node, ATTR_KERNEL);
  double taps = kernel ? 1 : 0;
  for (int i = 0; kernel && i < kernel->count; i++) taps *= (double)kernel->ints[i];
  return taps;
}

// Elements that are read or written.
static double elements_of(const Node *node, Bound bound) {
  double elements = 0, taps = taps_of(node);
  for (int i = 0; i < node->result_count; i++) elements += count_of(&node->results[i]->type, bound);
  if (taps > 0) return elements * (taps + 1);
  for (int i = 0; i < node->operand_count; i++)
    if (node->operands[i]) elements += count_of(&node->operands[i]->type, bound);
  return elements;
}

static double cycles_of(const Node *node, Bound bound) {
  return elements_of(node, bound) / elements_per_cycle +
         products_of(node, bound) / products_per_cycle;
}

double work_cycles(const Node *node) { return cycles_of(node, MOST); }

static double scalar_cycles(const Node *node) {
  int ops = 1;
  for (int r = 0; r < node->region_count; r++) ops += node->regions[r]->node_count;
  return elements_of(node, MOST) * scalar_element_cycles * ops +
         products_of(node, MOST) * scalar_product_cycles;
}

// Whether the time of the op follows from its shapes.
static bool is_estimated(const Node *node) {
  return node_has_trait(node, LINEAR) || node_has_trait(node, POINTWISE) ||
         node_has_trait(node, MOVES) || node_has_trait(node, ACCUMULATES);
}

// --- shares

static WorkShare *find(const Compiled *compiled, const KernelRow *row, const char *key) {
  WorkShare *share = compiled->shares.first;
  while (share && (share->row != row || strcmp(share->key, key) != 0)) share = share->next;
  return share;
}

static void add(Compiled *compiled, const Node *node, const KernelRow *row) {
  const char *key = kernel_key(compiled->arena, node, row);
  WorkShare *share = find(compiled, row, key);
  if (!share) {
    share = NEW(compiled->arena, WorkShare);
    *share = (WorkShare){.row = row, .key = key, .next = compiled->shares.first};
    compiled->shares.first = share;
  }
  share->cycles += work_cycles(node);
  share->scalar_cycles += scalar_cycles(node);
}

static int by_scalar_cycles(const void *left, const void *right) {
  const WorkShare *a = *(WorkShare *const *)left, *b = *(WorkShare *const *)right;
  if (a->scalar_cycles != b->scalar_cycles) return a->scalar_cycles < b->scalar_cycles ? -1 : 1;
  return strcmp(a->key, b->key);
}

// Which kernels are short: the cheapest, as long as all of them together are little.
static void choose(Compiled *compiled) {
  double total = compiled->shares.total, rest = all_share * total;
  int count = 0;
  for (const WorkShare *share = compiled->shares.first; share; share = share->next) count++;
  WorkShare **shares = NEW_ARRAY(compiled->arena, WorkShare *, count + 1);
  count = 0;
  for (WorkShare *share = compiled->shares.first; share; share = share->next)
    shares[count++] = share;
  qsort(shares, (size_t)count, sizeof *shares, by_scalar_cycles);
  for (int i = 0; i < count; i++) {
    WorkShare *share = shares[i];
    // What pack functions lay out in the object is laid out for vectors.
    bool scalar = !share->row->packed_operands && share->scalar_cycles < scalar_share * total &&
                  share->scalar_cycles <= rest;
    double cycles = scalar ? share->scalar_cycles : share->cycles;
    if (share->cycles >= short_share * total || cycles > rest) continue;
    rest -= cycles;
    // LLVM's shortest code of vectors is slow beyond measure: it divides lane by lane.
    share->code = (WorkCode){scalar ? CODE_SHORTEST : CODE_SHORT, scalar};
  }
}

void work_measure(Compiled *compiled) {
  const Graph *graph = compiled->module->main;
  FOR_EACH_NODE (node, graph)
    if (node->op != OP_CONST && node->result_count)
      compiled->shares.total += cycles_of(node, LEAST);
  FOR_EACH_NODE (node, graph) {
    const KernelRow *row = node->op == OP_CONST || !is_estimated(node) ? NULL : kernel_of(node);
    if (row && work_cycles(node) < short_share * compiled->shares.total) add(compiled, node, row);
  }
  choose(compiled);
}

WorkCode work_code(const Compiled *compiled, const Node *node, const KernelRow *row,
                   const char *key) {
  WorkCode least = {compiled->nest.least, false};
  int level = compiled->options.level;
  const WorkShare *share = node->graph == compiled->module->main ? find(compiled, row, key) : NULL;
  bool chosen = share && level > 0 && level <= 2 && share->code.size > least.size;
  return chosen ? share->code : least;
}
