// Packing of 8-bit weights and channel tables, as product_int8.c reads them.
#include "codegen/kernels/pack.h"
#include "codegen/kernels/product_int8.h"

enum { GATHER_CHANNELS = 16, GATHER_BYTES = 512, WIDE_BYTES = 48 * 1024 };

static int64_t padded_outputs(const Int8Shape *s) {
  return (s->outputs + s->dot.lanes - 1) / s->dot.lanes * s->dot.lanes;
}

Int8Shape int8_shape(const Node *node, const Target *target) {
  const Type *w = &node->operands[1]->type;
  Int8Shape s = {.dot = dot_of(target, node->operands[0]->type.element),
                 .is_conv = node->op == OP_CONV,
                 .group = 1,
                 .taps = 1};
  if (s.is_conv) {
    s.group = node_int(node, ATTR_GROUP);
    s.inputs = type_dim(w, w->rank - 1);
    s.outputs = type_dim(w, 0) / s.group;
    for (int i = 1; i < w->rank - 1; i++) s.taps *= type_dim(w, i);
  } else {
    bool transposed = node_int(node, ATTR_TRANSPOSE_B);
    s.inputs = type_dim(w, transposed ? 1 : 0);
    s.outputs = type_dim(w, transposed ? 0 : 1);
  }
  bool vectors = s.dot.lanes > 1;
  s.columns = padded_outputs(&s);
  s.vectors = vectors ? (target->vector_registers >= 32 ? 4 : 2) : 2;
  if (s.columns < (int64_t)s.vectors * s.dot.lanes)
    s.vectors = s.columns > 0 ? (int)(s.columns / s.dot.lanes) : 1;
  s.width = s.vectors * s.dot.lanes;
  int64_t most_rows = node_ints_at(node, ATTR_TILE, 2, 0); // -Os
  s.rows = vectors ? (target->vector_registers >= 32 ? (s.vectors < 3 ? MAX_ROWS : 6) : 4) : 2;
  if (vectors && most_rows > 0 && most_rows < s.rows) s.rows = (int)most_rows;
  s.widens =
      vectors && s.dot.kind == DOT_MADD && (s.taps * s.inputs + 1) * 2 * s.rows <= WIDE_BYTES;
  s.gathers =
      s.widens || (s.taps > 1 && s.inputs < GATHER_CHANNELS && s.taps * s.inputs <= GATHER_BYTES);
  s.run = s.gathers ? s.taps * s.inputs : s.inputs;
  s.runs = s.gathers ? 1 : s.taps;
  s.padded_run = (s.run + s.dot.group - 1) / s.dot.group * s.dot.group;
  return s;
}

static int64_t weight_bytes(const Int8Shape *s) {
  return s->group * s->columns * s->runs * s->padded_run;
}

int64_t int8_table_offset(const Int8Shape *s) { return (weight_bytes(s) + 3) / 4 * 4; }

typedef struct PackPlan {
  Int8Shape shape;
  ChannelLayout layout;
} PackPlan;

// Where output channel m (over all groups) lies.
static ChannelPlace place_of(const Int8Shape *s, int64_t m) {
  int64_t in_group = m % s->outputs, panel = in_group / s->width * s->width,
          rest = s->columns - panel;
  return (ChannelPlace){m / s->outputs * s->columns + panel, rest < s->width ? rest : s->width,
                        in_group - panel};
}

// Place of weight (panel, run, k within the run, lane): [panel][run][k / group][lane][k % group].
static void write_weights(const PackedSegment *segment, unsigned char *out) {
  const PackPlan *plan = segment->user;
  const Int8Shape *s = &plan->shape;
  for (int64_t m = 0; m < s->outputs * s->group; m++) {
    ChannelPlace place = place_of(s, m);
    for (int64_t k = 0; k < s->runs * s->run; k++) {
      int64_t run = k / s->run, in = k % s->run;
      int64_t at = (place.first * s->runs + place.width * run) * s->padded_run +
                   (in / s->dot.group * place.width + place.lane) * s->dot.group +
                   in % s->dot.group;
      out[at] = (unsigned char)product_weight(segment->node, m, k); // fits by choice of the kernel
    }
  }
}

// One segment, so that a call has one address to hand over.
static void write_segment(const PackedSegment *segment, unsigned char *out) {
  const PackPlan *plan = segment->user;
  const Int8Shape *s = &plan->shape;
  write_weights(segment, out);
  out += int8_table_offset(s);
  channel_table_write_header(segment->node, &plan->layout, out);
  for (int64_t m = 0; m < s->outputs * s->group; m++)
    channel_table_write(segment->node, &plan->layout, s->dot.x_offset, m, place_of(s, m), out);
}

static bool pack_product(Pack *pack) {
  PackPlan *plan = NEW(pack->arena, PackPlan);
  *plan = (PackPlan){int8_shape(pack->node, pack->target), channel_layout(pack->node)};
  const Int8Shape *s = &plan->shape;
  // A vector of weights lies in one line of the cache.
  int align = s->dot.lanes > 1 ? s->dot.lanes * s->dot.group : 4;
  size_t table = channel_table_bytes(&plan->layout, s->group * s->columns);
  pack_add(pack, (size_t)int8_table_offset(s) + table, align, NULL, write_segment, plan);
  return true;
}

bool pack_conv_int8(Pack *pack) { return pack_product(pack); }
bool pack_matmul_int8(Pack *pack) { return pack_product(pack); }
