// Inference of the arithmetic ops: symbolic dims of the results, and every refusal with its
// numbers.
#include "check.h"
#include "ir/diag.h"
#include "ir/print.h"

static Module *parse(Arena *arena, Diag *diag, const char *text) {
  diag_init(diag, arena, NULL);
  return module_parse_text(arena, diag, "t.tir", text, strlen(text));
}

// The type of the last node's first result.
static const struct {
  const char *text, *type;
} results[] = {
    {"input %x : f32[N,1,3]\ninput %y : f32[4,1]\n%z = add %x, %y\nreturn %z", "f32[N,4,3]"},
    {"input %x : f32[N,3]\ninput %y : f32[7,1]\n%z = mul %x, %y\nreturn %z", "f32[7,3]"},
    {"input %x : f32[N]\ninput %y : f32[M]\n%z = add %x, %y\nreturn %z", "f32[max(N,M)]"},
    {"input %x : f32[B,S,8]\ninput %w : f32[8,5]\n%z = matmul %x, %w\nreturn %z", "f32[B,S,5]"},
    {"input %x : f32[2,H,9,3]\ninput %w : f32[4,3,3,3]\n"
     "%z = conv %x, %w {strides = [2,2], pads = [1,1,1,1]}\nreturn %z",
     "f32[2,div(H+1,2),5,4]"},
    {"input %x : f32[1,5,1]\n%z = max_pool %x {kernel = [2], strides = [2], ceil_mode = 1}\nreturn "
     "%z",
     "f32[1,3,1]"},
    {"input %x : f32[1,4,3,4]\ninput %w : f32[4,3,3,2]\n"
     "%z = conv_transpose %x, %w {strides = [2,2], group = 2}\nreturn %z",
     "f32[1,9,7,4]"},
    {"input %x : f32[A,B,C]\n%z = reduce_sum %x {axes = [-1,0], keep_dims = 0}\nreturn %z",
     "f32[B]"},
    {"input %x : f32[A,B]\n%z = reduce_max %x\nreturn %z", "f32[1,1]"},
    {"input %x : i8[2,3] quant(scale=0.5, zero=1)\ninput %w : i8[3,4]\n%z = matmul %x, %w\nreturn "
     "%z",
     "i32[2,4]"},
    {"input %x : i8[2] quant(scale=0.5, zero=1)\n%z = add %x, %x : i8[2] quant(scale=1, "
     "zero=0)\nreturn %z",
     "i8[2] quant(scale=1, zero=0)"},
    {"input %x : i8[2] quant(scale=0.5, zero=1)\n%z = dequantize %x : f16[2]\nreturn %z", "f16[2]"},
};

static const struct {
  const char *text, *error;
} refusals[] = {
    {"input %x : f32[2]\n%z = string_case %x\nreturn %z",
     "string_case: operand 0 is f32[2], wanted strings"},
    {"input %x : str[2]\n%z = string_case %x {mode=\"title\"}\nreturn %z",
     "string_case: mode 'title' is none of lower, upper"},
    {"input %x : str[2]\ninput %c : u8[256]\ninput %t : i32[1,2]\n%z = string_match %x, %c, "
     "%t\nreturn %z",
     "string_match: the automaton is not constant"},
    {"input %x : str[2]\n%c = const splat(1) : u8[256]\n%t = const [0, 1] : i32[1,2]\n"
     "%z = string_match %x, %c, %t\nreturn %z",
     "string_match: byte 0 has class 1 of 1"},
    {"input %x : str[2]\n%c = const splat(0) : u8[256]\n%t = const [1, 1] : i32[1,2]\n"
     "%z = string_match %x, %c, %t\nreturn %z",
     "string_match: state 0 leads to state 1 of 1"},
    {"input %x : str[2]\ninput %y : str[3]\n%z = string_concat %x, %y\nreturn %z",
     "string_concat: shapes [2] and [3] do not broadcast: 2 and 3 differ"},
    {"input %x : i64[2]\ninput %d : str[1]\n%z = string_split %x, %d {sizes=[3]}\nreturn %z",
     "string_split: operand 0 is i64[2], wanted strings"},
    {"input %x : str[2]\ninput %d : str[2]\n%z = string_count %x, %d\nreturn %z",
     "string_count: the delimiter is str[2], wanted str[1]"},
    {"input %x : str[2]\ninput %d : str[1]\n%z = string_split %x, %d\nreturn %z",
     "string_split: 0 sizes, wanted one, not negative"},
    {"input %x : str[1,1,1,1,1,1,1,1]\ninput %d : str[1]\n%z = string_split %x, %d "
     "{sizes=[2]}\nreturn %z",
     "string_split: the operand has rank 8"},
    {"input %x : str[2]\n%z = string_parse %x : f32[2]\nreturn %z",
     "string_parse: gives f64, i64 or u64"},
    {"input %x : f64[2]\n%z = string_parse %x : f64[2]\nreturn %z",
     "string_parse: operand 0 is f64[2], wanted strings"},
    {"input %x : i4[2]\n%z = string_format %x\nreturn %z",
     "string_format: not defined on i4 (operand 0)"},
    {"input %k : f32[3]\ninput %v : f32[3]\n%m = map_values %v, %k\nreturn %m",
     "map_values: the keys are f32[3], wanted str[n] or i64[n]"},
    {"input %k : i64[3]\ninput %v : f32[2]\n%m = map_values %v, %k\nreturn %m",
     "map_values: the values are f32[2], wanted one for each of the keys i64[3]"},
    {"input %x : f32[2,3]\n%k = const [1,2] : i64[2]\n%z = zip_map %x, %k\nreturn %z",
     "zip_map: 3 columns and 2 keys"},
    {"input %x : f32[]\n%k = const [1,2] : i64[2]\n%z = zip_map %x, %k\nreturn %z",
     "zip_map: the scores are a scalar"},
    {"input %x : f32[2,3]\ninput %k : str[3]\n%z = zip_map %x, %k\nreturn %z",
     "zip_map: the keys are str[3], wanted a constant str[k] or i64[k]"},
    {"input %x : f32[]\n%z = nonzero %x\nreturn %z", "nonzero: of a scalar"},
    {"input %x : str[2]\n%a, %b, %c, %d = unique %x\nreturn %a", "unique: of str"},
    {"input %x : f32[2]\n%a, %b, %c, %d = unique %x {axis=1}\nreturn %a",
     "unique: axis 1 of rank 1"},
    {"input %b : f32[1,5,4]\ninput %s : f32[1,2,6]\n%z, %h = non_max_suppression %b, %s\nreturn %z",
     "non_max_suppression: boxes: 5 and 6 differ"},
    {"input %b : f32[5,4]\ninput %s : f32[1,2,5]\n%z, %h = non_max_suppression %b, %s\nreturn %z",
     "non_max_suppression: boxes of rank 2, scores of rank 3, wanted 3"},
    {"input %b : f32[1,5,4]\ninput %s : f32[1,2,5]\ninput %m : f32[]\n"
     "%z, %h = non_max_suppression %b, %s, %m\nreturn %z",
     "non_max_suppression: operand 2 is f32[], wanted one i64"},
    {"input %x : f32[1,5,5,3]\ninput %r : f32[2,4]\ninput %i : i64[2]\n"
     "%z = roi_align %x, %r, %i {sizes=[2,2], mode=\"least\"}\nreturn %z",
     "roi_align: mode 'least' is none of average, max"},
    {"input %x : f32[1,5,5,3]\ninput %r : f32[2,4]\ninput %i : i64[2]\n"
     "%z = roi_align %x, %r, %i {sizes=[2,2], coordinates=\"asymmetric\"}\nreturn %z",
     "roi_align: coordinates 'asymmetric' are none of half_pixel, output_half_pixel"},
    {"input %x : f32[1,5,5,3]\ninput %r : f32[2,4]\ninput %i : i64[2]\n"
     "%z = roi_align %x, %r, %i {sizes=[2,2], samples=-1}\nreturn %z",
     "roi_align: samples = -1"},
    {"input %x : f32[1,5,5,3]\ninput %r : f32[2,4]\ninput %i : i64[3]\n"
     "%z = roi_align %x, %r, %i {sizes=[2,2]}\nreturn %z",
     "roi_align: regions: 2 and 3 differ"},
    {"input %x : f32[1,5,5,3]\ninput %r : f32[2,4]\ninput %i : i64[2]\n"
     "%z = roi_align %x, %r, %i {sizes=[2]}\nreturn %z",
     "roi_align: operands of rank 4, 2 and 1 with 1 sizes, wanted 4, 2, 1 and 2"},
    {"input %x : str[2]\n%z = neg %x\nreturn %z", "neg: not defined on str (operand 0)"},
    {"input %x : f32[2,40]\ninput %q : u4[3,2,16]\ninput %s : f32[3,2]\n"
     "%z = matmul_blocked %x, %q, %s\nreturn %z",
     "matmul_blocked: 2 blocks of 16 codes for 40 elements"},
    {"input %x : f32[2,32]\ninput %q : u4[3,2,16]\ninput %s : f32[2,3]\n"
     "%z = matmul_blocked %x, %q, %s\nreturn %z",
     "matmul_blocked: operand 2 has shape [2,3], the codes [3,2,16]"},
    {"input %x : f32[2,32]\ninput %q : i4[3,2,16]\ninput %s : f32[3,2]\n"
     "%z = matmul_blocked %x, %q, %s\nreturn %z",
     "matmul_blocked: not defined on i4 (operand 1)"},
    {"input %x : i16[2]\ninput %t : i8[256]\n%z = lookup %x, %t\nreturn %z",
     "lookup: from i16 to i8, wanted elements of 8 bits"},
    {"input %x : i8[2]\ninput %t : i8[255]\n%z = lookup %x, %t\nreturn %z",
     "lookup: a table [255], wanted [256]"},
    {"input %x : f32[2]\n%z = bit_cast %x : f64[2]\nreturn %z",
     "bit_cast: from f32 to f64, which differ in width"},
    {"input %x : f32[2,3]\n%z, %r = det %x\nreturn %z", "det: rows and columns: 2 and 3 differ"},
    {"input %x : f32[2]\n%z, %r = det %x\nreturn %z",
     "det: the operand has rank 1, wanted 2 or more"},
    {"input %x : i32[2,2]\n%z, %r = det %x\nreturn %z", "det: not defined on i32 (operand 0)"},
    {"input %x : f32[2]\ninput %y : i32[2]\n%z = add %x, %y\nreturn %z",
     "add: operand 0 is f32, operand 1 is i32"},
    {"input %x : f32[2,3]\ninput %y : f32[4]\n%z = add %x, %y\nreturn %z",
     "add: shapes [2,3] and [4] do not broadcast: 3 and 4 differ"},
    {"input %x : i8[2] quant(scale=0.5, zero=1)\n%z = add %x, %x\nreturn %z",
     "add: quantized operands need a quantized result type"},
    {"input %x : i8[2] quant(scale=0.5, zero=1)\n%z = tanh %x\nreturn %z",
     "tanh: not defined on quantized values (operand 0 is i8[2] quant(scale=0.5, zero=1))"},
    {"input %x : f32[2]\n%z = cast %x\nreturn %z", "cast: the result's element type is not given"},
    {"input %x : f32[2]\n%z = where %x, %x, %x\nreturn %z",
     "where: the condition is f32, wanted bool"},
    {"input %x : f32[2]\n%z = quantize %x : i8[2]\nreturn %z",
     "quantize: the result's quantized type is not given"},
    {"input %x : f32[2,3]\ninput %w : f32[4,5]\n%z = matmul %x, %w\nreturn %z",
     "matmul: inner dimensions 3 and 4 differ"},
    {"input %x : f32[2,3]\ninput %w : f32[3,5]\ninput %b : f32[4]\n%z = matmul %x, %w, %b\nreturn "
     "%z",
     "matmul: the bias has 4 values, wanted 5"},
    {"input %x : f32[2]\ninput %w : f32[2,5]\n%z = matmul %x, %w\nreturn %z",
     "matmul: rank 1 by rank 2, wanted 2 or more"},
    {"input %x : f32[1,5,5,3]\ninput %w : f32[4,3,3,4]\n%z = conv %x, %w\nreturn %z",
     "conv: the input has 3 channels, the weight wants 4"},
    {"input %x : f32[1,5,5,3]\ninput %w : f32[4,7,3,3]\n%z = conv %x, %w\nreturn %z",
     "conv: kernel size 7 does not fit into input size 5 with its padding"},
    {"input %x : f32[1,5,5,3]\ninput %w : f32[4,3,3,3]\n%z = conv %x, %w {strides = [1]}\nreturn "
     "%z",
     "conv: strides has 1 entries, wanted 2"},
    {"input %x : f32[1,5,5,3]\ninput %w : f32[4,3,3,3]\n%z = conv %x, %w {strides = [1,0]}\nreturn "
     "%z",
     "conv: strides[1] = 0"},
    {"input %x : f32[1,5,5,4]\ninput %w : f32[3,3,3,2]\n%z = conv %x, %w {group = 2}\nreturn %z",
     "conv: 3 output channels do not divide into 2 groups"},
    {"input %x : f32[1,5,3]\n%z = max_pool %x {kernel = [3,3]}\nreturn %z",
     "max_pool: kernel has 2 entries, wanted 1"},
    {"input %x : f32[1,5,3]\n%z = average_pool %x {kernel = [9]}\nreturn %z",
     "average_pool: kernel size 9 does not fit into input size 5 with its padding"},
    {"input %x : f32[2,3]\n%z = reduce_sum %x {axes = [2]}\nreturn %z",
     "reduce_sum: axis 2 of rank 2"},
    {"input %x : f32[2,3]\n%z = reduce_sum %x {axes = [1,-1]}\nreturn %z",
     "reduce_sum: axis -1 twice"},
    {"input %x : f32[2,3]\ninput %s : f32[4]\n%z = layer_norm %x, %s\nreturn %z",
     "layer_norm: operand 1 has shape [4], normalised are dims 1.. of [2,3]"},
    {"input %x : f32[2,5,3]\n%z = group_norm %x {group = 2}\nreturn %z",
     "group_norm: 3 channels do not divide into 2 groups"},
    {"input %x : i32[2]\n%z = softmax %x\nreturn %z", "softmax: not defined on i32 (operand 0)"},
    {"input %x : i8[2] quant(scale=-1, zero=0)\n%z = dequantize %x\nreturn %z",
     "dequantize: scale -1 is not above 0"},
};

int main(void) {
  for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
    Arena *arena = arena_create();
    Diag diag;
    Module *module = parse(arena, &diag, results[i].text);
    CHECK_TEXT(module ? type_text(arena, &node_result(module->main->last)->type) : diag.first_error,
               results[i].type);
    arena_destroy(arena);
  }
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    Arena *arena = arena_create();
    Diag diag;
    Module *module = parse(arena, &diag, refusals[i].text);
    CHECK(!module);
    CHECK_TEXT(module ? "no error" : diag.first_error, refusals[i].error);
    arena_destroy(arena);
  }
  return check_status();
}
