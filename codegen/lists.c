// Sequences and optionals: a value is a pointer to what the ABI says (tenon_sequence, or
// tenon_tensor of an optional tensor; NULL: no element), kept in a late place. What it points to is
// made once and never changed, in memory from the top of the workspace; so handing it on is copying
// the pointer.
#include "codegen/describe.h"
#include "codegen/internal.h"
#include "runtime/tenon.h"

typedef struct Lists {
  Compiled *compiled;
  Frame *frame;
  Nest *nest;
  const Node *node;
  int64_t word; // bytes of a pointer
} Lists;

static Val operand_pointer(const Lists *l, int index) {
  return emit_pointer(l->compiled, l->frame, l->node->operands[index]);
}

static Val load_word(const Lists *l, Val base, int64_t word) {
  Nest *nest = l->nest;
  return nest_load(nest, nest->index, nest_address(nest, base, nest->index, nest_const(nest, word)),
                   (int)l->word);
}

static Val load_pointer(const Lists *l, Val base, int64_t word) {
  Nest *nest = l->nest;
  return nest_load(nest, nest->pointer,
                   nest_address(nest, base, nest->index, nest_const(nest, word)), (int)l->word);
}

static Val sequence_count(const Lists *l, Val sequence) { return load_word(l, sequence, 1); }

static int64_t tensor_bytes(const Lists *l) { return 2 * l->word + 8; }

static Val tensor_at(const Lists *l, Val items, Val index) {
  return nest_address(l->nest, items, l->nest->i8,
                      nest_mul(l->nest, index, nest_const(l->nest, tensor_bytes(l))));
}

static void set_result(const Lists *l, Val pointer) {
  emit_late_set(l->frame, l->node->results[0], pointer);
}

static Val is_null(const Lists *l, Val pointer) {
  Nest *nest = l->nest;
  return nest_compare(nest, LLVMIntEQ, LLVMBuildPtrToInt(nest->builder, pointer, nest->index, ""),
                      nest_const(nest, 0));
}

// --- tensors into lists

// Memory that nothing writes while the model runs needs no copy.
static bool is_lasting(const Value *value) {
  while (value->placement.kind == PLACE_ALIAS) value = value->placement.alias;
  return value_is_constant(value) || value->placement.kind == PLACE_INPUT;
}

// Describes a tensor at `place`, a tenon_tensor.
static void put_tensor(const Lists *l, Val place, const Value *value) {
  Nest *nest = l->nest;
  const Type *type = &value->type;
  Val overflow = NULL, bytes = emit_checked_bytes(l->compiled, l->frame, type, &overflow),
      data = emit_pointer(l->compiled, l->frame, value);
  int64_t head = (type->rank * l->word + 15) / 16 * 16;
  bool lasting = is_lasting(value);
  Val whole = lasting ? nest_const(nest, head)
                      : nest_add_checked(nest, bytes, nest_const(nest, head), &overflow);
  Val dims = emit_late_memory(l->frame, whole, overflow);
  for (int i = 0; i < type->rank; i++)
    nest_store(nest, emit_dim(l->compiled, l->frame, type->dims[i]),
               nest_address(nest, dims, nest->index, nest_const(nest, i)), (int)l->word);
  if (!lasting) {
    Val copy = nest_address(nest, dims, nest->i8, nest_const(nest, head));
    nest_copy(nest, copy, data, bytes);
    data = copy;
  }
  nest_store(nest, data, place, (int)l->word);
  nest_store(nest, dims, nest_address(nest, place, nest->index, nest_const(nest, 1)), (int)l->word);
  Val numbers = nest_address(nest, place, nest->index, nest_const(nest, 2));
  nest_store(nest, nest_int(nest->i32, type->rank), numbers, 4);
  nest_store(nest, nest_int(nest->i32, describe_type_code(type->element)),
             nest_address(nest, numbers, nest->i32, nest_const(nest, 1)), 4);
}

static bool emit_sequence(const Lists *l) {
  Nest *nest = l->nest;
  Val count = nest_const(nest, l->node->operand_count);
  Val memory =
      emit_late_memory(l->frame, nest_library(nest, "tenon_sequence_bytes", &count, 1), NULL);
  Val items = nest_library(nest, "tenon_sequence_begin", (Val[]){memory, count}, 2);
  for (int i = 0; i < l->node->operand_count; i++)
    put_tensor(l, tensor_at(l, items, nest_const(nest, i)), l->node->operands[i]);
  set_result(l, memory);
  return true;
}

// A position from operand `index`, at most `last`; beyond it the run fails.
static Val position_of(const Lists *l, int index, Val count, Val limit) {
  Nest *nest = l->nest;
  bool wide = l->node->operands[index]->type.element == I64;
  Val given = nest_load(nest, wide ? nest->i64 : nest->i32, operand_pointer(l, index), 0);
  given = nest_extend(nest, given, nest->i64, true);
  Val from_end = nest_add(nest, given, nest_extend(nest, count, nest->i64, false));
  Val at = nest_select(nest, nest_compare(nest, LLVMIntSLT, given, nest_int(nest->i64, 0)),
                       from_end, given);
  nest_fail_if(nest, nest_compare(nest, LLVMIntUGE, at, nest_extend(nest, limit, nest->i64, false)),
               TENON_E_INDEX);
  return nest_extend(nest, at, nest->index, false);
}

// Was it made by this run? Then it lies in the workspace, where nothing of the caller's does.
static Val is_own(const Lists *l, Val sequence) {
  Nest *nest = l->nest;
  Val base = LLVMBuildPtrToInt(nest->builder, l->frame->workspace, nest->index, "");
  Val offset = nest_sub(nest, LLVMBuildPtrToInt(nest->builder, sequence, nest->index, ""), base);
  return nest_extend(nest, nest_compare(nest, LLVMIntULT, offset, l->frame->room), nest->i32,
                     false);
}

static bool emit_insert(const Lists *l) {
  Nest *nest = l->nest;
  Val from = operand_pointer(l, 0), count = sequence_count(l, from), one = nest_const(nest, 1);
  Val at = node_operand(l->node, 2) ? position_of(l, 2, count, nest_add(nest, count, one)) : count,
      own = is_own(l, from);
  Val memory = emit_late_memory(
      l->frame, nest_library(nest, "tenon_sequence_insert_bytes", (Val[]){from, own, at}, 3), NULL);
  put_tensor(l, nest_library(nest, "tenon_sequence_insert", (Val[]){from, own, at, memory}, 4),
             l->node->operands[1]);
  set_result(l, memory);
  return true;
}

static bool emit_erase(const Lists *l) {
  Nest *nest = l->nest;
  Val from = operand_pointer(l, 0), count = sequence_count(l, from), at;
  nest_fail_if(nest, nest_compare(nest, LLVMIntEQ, count, nest_const(nest, 0)), TENON_E_INDEX);
  at = node_operand(l->node, 1) ? position_of(l, 1, count, count)
                                : nest_sub(nest, count, nest_const(nest, 1));
  Val memory =
      emit_late_memory(l->frame, nest_library(nest, "tenon_sequence_bytes", &count, 1), NULL);
  nest_library(nest, "tenon_sequence_erase", (Val[]){from, at, memory}, 3);
  set_result(l, memory);
  return true;
}

// --- tensors out of lists

// Dim `axis` of the result is found to be `value`: its symbol is that from here on, or it must
// agree.
static void find_dim(const Lists *l, int axis, Val value) {
  const Dim *dim = l->node->results[0]->type.dims[axis];
  int symbol = emit_lone_symbol(dim);
  if (symbol >= 0 && !l->frame->symbols[symbol]) {
    emit_define_symbol(l->frame, dim, value);
    return;
  }
  Val wanted = emit_dim(l->compiled, l->frame, dim);
  nest_fail_if(l->nest, nest_compare(l->nest, LLVMIntNE, value, wanted), TENON_E_DIM);
}

// Memory for the result whose dims are known now. Returns its bytes.
static Val result_memory(const Lists *l) {
  Val overflow = NULL,
      bytes = emit_checked_bytes(l->compiled, l->frame, &l->node->results[0]->type, &overflow);
  if (overflow) nest_fail_if(l->nest, overflow, TENON_E_DIM);
  emit_late_results(l->compiled, l->frame, l->node);
  return bytes;
}

// A copy of the tensor that is described at `item`, which must be what the result's type says.
static bool take_tensor(const Lists *l, Val item) {
  Nest *nest = l->nest;
  const Type *type = &l->node->results[0]->type;
  Val dims = load_pointer(l, item, 1),
      numbers = nest_address(nest, item, nest->index, nest_const(nest, 2));
  Val rank = nest_load(nest, nest->i32, numbers, 4);
  Val code =
      nest_load(nest, nest->i32, nest_address(nest, numbers, nest->i32, nest_const(nest, 1)), 4);
  Val other = nest_compare(nest, LLVMIntNE, rank, nest_int(nest->i32, type->rank));
  other = nest_or(
      nest, other,
      nest_compare(nest, LLVMIntNE, code, nest_int(nest->i32, describe_type_code(type->element))));
  nest_fail_if(nest, other, TENON_E_DIM);
  for (int i = 0; i < type->rank; i++) find_dim(l, i, load_word(l, dims, i));
  Val bytes = result_memory(l);
  nest_copy(nest, emit_pointer(l->compiled, l->frame, l->node->results[0]),
            load_pointer(l, item, 0), bytes);
  return true;
}

static bool emit_at(const Lists *l) {
  Val from = operand_pointer(l, 0), count = sequence_count(l, from);
  Val at = position_of(l, 1, count, count);
  return take_tensor(l, tensor_at(l, load_pointer(l, from, 0), at));
}

static bool emit_length(const Lists *l) {
  Nest *nest = l->nest;
  Val count = nest_extend(nest, sequence_count(l, operand_pointer(l, 0)), nest->i64, false);
  nest_store(nest, count, emit_pointer(l->compiled, l->frame, l->node->results[0]), 8);
  return true;
}

static int axis_of(const Lists *l, int rank) {
  int64_t axis = node_int(l->node, ATTR_AXIS);
  return (int)(axis < 0 ? axis + rank : axis);
}

// Bytes of an element; 0 (reported): it is not a whole number of these.
static int64_t bytes_of_element(const Lists *l, ElementType element) {
  if (element == STR) return 2 * l->word;
  if (element_info[element].bits >= 8) return element_info[element].bits / 8;
  diag_error(l->compiled->diag, l->node->loc, "%s of %s is not compiled", op_info[l->node->op].text,
             element_info[element].text);
  return 0;
}

static bool emit_concat(const Lists *l) {
  Nest *nest = l->nest;
  const Type *type = &l->node->results[0]->type;
  bool stacks = node_int(l->node, ATTR_NEW_AXIS) != 0;
  int64_t size = bytes_of_element(l, type->element);
  if (!size) return false;
  Val from = operand_pointer(l, 0), dims = nest_local(nest, nest->index, MAX_RANK, 0);
  Val axis = nest_int(nest->i32, axis_of(l, type->rank)), new_axis = nest_int(nest->i32, stacks);
  Val code = nest_library(nest, "tenon_sequence_concat_dims",
                          (Val[]){from, axis, new_axis, nest_int(nest->i32, type->rank - stacks),
                                  nest_int(nest->i32, describe_type_code(type->element)), dims},
                          6);
  nest_fail_if(nest, nest_compare(nest, LLVMIntEQ, code, nest_int(nest->i32, TENON_E_INDEX)),
               TENON_E_INDEX);
  nest_fail_if(nest, nest_compare(nest, LLVMIntNE, code, nest_int(nest->i32, TENON_OK)),
               TENON_E_DIM);
  for (int i = 0; i < type->rank; i++) find_dim(l, i, load_word(l, dims, i));
  result_memory(l);
  Val to = emit_pointer(l->compiled, l->frame, l->node->results[0]);
  nest_library(nest, "tenon_sequence_concat",
               (Val[]){from, to, axis, new_axis, nest_int(nest->i32, type->rank), dims,
                       nest_const(nest, size)},
               7);
  return true;
}

static bool emit_split(const Lists *l) {
  Nest *nest = l->nest;
  const Type *type = &l->node->operands[0]->type;
  const Value *sizes = node_operand(l->node, 1);
  int axis = axis_of(l, type->rank);
  int64_t size = bytes_of_element(l, type->element);
  if (!size) return false;
  bool listed = sizes && sizes->type.rank == 1,
       drops = !sizes && !node_int(l->node, ATTR_KEEP_DIMS);
  Val total = emit_dim(l->compiled, l->frame, type->dims[axis]),
      dims = nest_local(nest, nest->index, MAX_RANK, 0);
  Val pointer = sizes ? operand_pointer(l, 1) : LLVMConstNull(nest->pointer),
      wide = nest_int(nest->i32, sizes && sizes->type.element == I64);
  Val given = listed ? emit_dim(l->compiled, l->frame, sizes->type.dims[0]) : nest_const(nest, 0),
      lists = nest_int(nest->i32, listed);
  Val count = nest_library(nest, "tenon_sequence_split_count",
                           (Val[]){total, pointer, wide, lists, given}, 5),
      overflow = NULL;
  nest_fail_if(nest, nest_compare(nest, LLVMIntSLT, count, nest_int(nest->i64, 0)), TENON_E_DIM);
  count = nest_extend(nest, count, nest->index, false);
  for (int i = 0; i < type->rank; i++)
    nest_store(nest, emit_dim(l->compiled, l->frame, type->dims[i]),
               nest_address(nest, dims, nest->index, nest_const(nest, i)), (int)l->word);
  Val each = nest_mul_checked(nest, count, nest_const(nest, tensor_bytes(l) + type->rank * l->word),
                              &overflow);
  Val no_items = nest_const(nest, 0),
      head = nest_add_checked(nest, each, nest_library(nest, "tenon_sequence_bytes", &no_items, 1),
                              &overflow);
  Val memory = emit_late_memory(l->frame, head, overflow);
  overflow = NULL;
  Val bytes = emit_checked_bytes(l->compiled, l->frame, type, &overflow),
      data = emit_late_memory(l->frame, bytes, overflow);
  Val arguments[] = {memory,
                     data,
                     operand_pointer(l, 0),
                     dims,
                     nest_int(nest->i32, type->rank),
                     nest_int(nest->i32, axis),
                     nest_int(nest->i32, describe_type_code(type->element)),
                     nest_const(nest, size),
                     pointer,
                     wide,
                     lists,
                     count,
                     nest_int(nest->i32, drops)};
  nest_library(nest, "tenon_sequence_split", arguments, sizeof arguments / sizeof *arguments);
  set_result(l, memory);
  return true;
}

// --- optionals

static bool emit_optional(const Lists *l) {
  const Value *element = node_operand(l->node, 0);
  Val pointer = LLVMConstNull(l->nest->pointer);
  if (element && type_is_list(&element->type)) {
    pointer = operand_pointer(l, 0);
  } else if (element) {
    pointer = emit_late_memory(l->frame, nest_const(l->nest, tensor_bytes(l)), NULL);
    put_tensor(l, pointer, element);
  }
  set_result(l, pointer);
  return true;
}

static bool emit_has(const Lists *l) {
  Nest *nest = l->nest;
  Val none = nest_extend(nest, is_null(l, operand_pointer(l, 0)), nest->i8, false);
  nest_store(nest, nest_xor(nest, none, nest_int(nest->i8, 1)),
             emit_pointer(l->compiled, l->frame, l->node->results[0]), 1);
  return true;
}

static bool emit_get(const Lists *l) {
  Val pointer = operand_pointer(l, 0);
  nest_fail_if(l->nest, is_null(l, pointer), TENON_E_INDEX);
  if (!type_is_list(&l->node->results[0]->type)) return take_tensor(l, pointer);
  set_result(l, pointer);
  return true;
}

static bool emit_copy(const Lists *l) {
  set_result(l, operand_pointer(l, 0));
  return true;
}

static const struct {
  OpCode op;
  bool (*emit)(const Lists *lists);
} emitters[] = {{OP_SEQUENCE, emit_sequence},
                {OP_SEQUENCE_INSERT, emit_insert},
                {OP_SEQUENCE_ERASE, emit_erase},
                {OP_SEQUENCE_AT, emit_at},
                {OP_SEQUENCE_LENGTH, emit_length},
                {OP_SEQUENCE_CONCAT, emit_concat},
                {OP_SEQUENCE_SPLIT, emit_split},
                {OP_OPTIONAL, emit_optional},
                {OP_OPTIONAL_HAS, emit_has},
                {OP_OPTIONAL_GET, emit_get},
                {OP_COPY, emit_copy}};

bool emit_is_list_node(const Node *node) {
  return node_has_trait(node, OF_LISTS) ||
         (node->op == OP_COPY && type_is_list(&node->results[0]->type));
}

bool emit_list_node(Compiled *compiled, Frame *frame, const Node *node) {
  Lists lists = {compiled, frame, frame->nest, node, compiled->target->pointer_bits / 8};
  for (size_t i = 0; i < sizeof emitters / sizeof *emitters; i++)
    if (emitters[i].op == node->op) return emitters[i].emit(&lists);
  return diag_error(compiled->diag, node->loc, "%s is not compiled", op_info[node->op].text);
}
