// tenon eval: how good a model is on labelled data, and what changed against another model.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tools/data.h"
#include "tools/json.h"
#include "tools/model.h"

typedef enum Metric { METRIC_AUTO, METRIC_TOP1, METRIC_TOP5, METRIC_ACCURACY, METRIC_MSE } Metric;
static const char *const metric_names[] = {"auto", "top1", "top5", "accuracy", "mse"};
enum { METRIC_COUNT = sizeof metric_names / sizeof *metric_names };

typedef struct Evaluated {
  Runnable *runnable;
  int output;
  int64_t right, top5;
  double squares; // sum of squared errors
  int64_t elements;
} Evaluated;

typedef struct EvaluationRun {
  Tool *tool;
  Dataset *dataset;
  Metric metric;
  bool has_labels, has_top5;
  Tensor labels;
  Evaluated models[2];
  int model_count;
  int64_t count, agreeing, lost, gained; // lost: right in the other model, wrong in this one
} EvaluationRun;

// --- one prediction

// Class with the largest score; the first of equals.
static int64_t best_class(const Tensor *output, int64_t start, int64_t classes) {
  int64_t best = 0;
  for (int64_t i = 1; i < classes; i++)
    if (element_load(output->element, output->data, start + i) >
        element_load(output->element, output->data, start + best))
      best = i;
  return best;
}

// How many classes have a larger score than `label`.
static int64_t rank_of(const Tensor *output, int64_t start, int64_t classes, int64_t label) {
  int64_t rank = 0;
  if (label < 0 || label >= classes) return classes;
  double score = element_load(output->element, output->data, start + label);
  for (int64_t i = 0; i < classes; i++) {
    double other = element_load(output->element, output->data, start + i);
    rank += other > score || (other == score && i < label);
  }
  return rank;
}

static bool strings_equal(const Tensor *a, int64_t i, const Tensor *b, int64_t k) {
  const TensorString *x = (const TensorString *)a->data + i, *y = (const TensorString *)b->data + k;
  return x->length == y->length && memcmp(x->data, y->data, x->length) == 0;
}

// One element per label: classes themselves, or a probability of class 1.
static int64_t decided(const Tensor *output, int64_t index) {
  if (element_is_float(output->element))
    return element_load(output->element, output->data, index) > 0.5;
  return element_load_int(output->element, output->data, index);
}

static int64_t label_at(const Tensor *labels, int64_t index) {
  return element_is_float(labels->element)
             ? (int64_t)element_load(labels->element, labels->data, index)
             : element_load_int(labels->element, labels->data, index);
}

static Metric fitting_metric(const Tensor *output, const Tensor *label, int64_t positions) {
  bool one_each = tensor_count(output) == positions;
  if (!one_each) return METRIC_TOP1;
  return label && element_is_float(label->element) ? METRIC_MSE : METRIC_ACCURACY;
}

// --- a sample

typedef struct Verdict {
  int64_t predicted;
  bool right;
} Verdict;

static Verdict judge(EvaluationRun *run, Evaluated *model, const Tensor *output,
                     const Tensor *label, int64_t position, int64_t positions) {
  Verdict verdict = {0, false};
  int64_t classes = tensor_count(output) / positions;
  if (run->metric == METRIC_ACCURACY && output->element == STR) {
    verdict.right =
        label && label->element == STR && strings_equal(output, position, label, position);
    verdict.predicted = verdict.right;
  } else if (run->metric == METRIC_ACCURACY) {
    verdict.predicted = decided(output, position);
    verdict.right = label && verdict.predicted == label_at(label, position);
  } else {
    verdict.predicted = best_class(output, position * classes, classes);
    int64_t rank =
        label ? rank_of(output, position * classes, classes, label_at(label, position)) : classes;
    verdict.right = run->metric == METRIC_TOP5 ? rank < 5 : rank < 1;
    model->top5 += rank < 5;
    run->has_top5 |= classes > 5;
  }
  model->right += verdict.right;
  return verdict;
}

static bool add_squares(EvaluationRun *run, Evaluated *model, const Tensor *output,
                        const Tensor *label) {
  int64_t count = tensor_count(output);
  if (!label || tensor_count(label) != count)
    return diag_error(&run->tool->diag, loc_file(run->dataset->path),
                      "mse wants a label for each of %" PRId64 " elements", count);
  for (int64_t i = 0; i < count; i++) {
    double difference = element_load(output->element, output->data, i) -
                        element_load(label->element, label->data, i);
    model->squares += difference * difference;
  }
  model->elements += count;
  return true;
}

static bool judge_sample(EvaluationRun *run, const Tensor *outputs, int64_t index) {
  Tensor row = {0}, *label = NULL;
  if (run->has_labels) {
    row = dataset_row(&run->labels, index);
    label = &row;
  }
  for (int m = 0; m < run->model_count; m++) {
    bool texts = outputs[m].element == STR;
    if (element_info[outputs[m].element].class == CLASS_COMPLEX ||
        (label && (label->element == STR) != texts) || (texts && !label))
      return diag_error(&run->tool->diag, loc_file(run->dataset->path),
                        "output '%s' is %s, the labels are %s: they cannot be compared",
                        run->models[m].runnable->outputs[run->models[m].output].name,
                        element_info[outputs[m].element].text,
                        label ? element_info[label->element].text : "absent");
    if (texts) run->metric = METRIC_ACCURACY;
  }
  int64_t positions = label ? tensor_count(label) : 1;
  Loc loc = loc_file(run->dataset->path);
  if (run->metric == METRIC_AUTO) run->metric = fitting_metric(&outputs[0], label, positions);
  if (run->metric == METRIC_MSE) {
    for (int m = 0; m < run->model_count; m++)
      if (!add_squares(run, &run->models[m], &outputs[m], label)) return false;
    run->count++;
    return true;
  }
  for (int m = 0; m < run->model_count; m++)
    if (!positions || !tensor_count(&outputs[m]) || tensor_count(&outputs[m]) % positions != 0)
      return diag_error(&run->tool->diag, loc,
                        "%" PRId64 " labels do not fit an output of %" PRId64 " elements",
                        positions, tensor_count(&outputs[m]));
  for (int64_t position = 0; position < positions; position++) {
    Verdict verdicts[2] = {{0}};
    for (int m = 0; m < run->model_count; m++)
      verdicts[m] = judge(run, &run->models[m], &outputs[m], label, position, positions);
    run->count++;
    run->agreeing += verdicts[0].predicted == verdicts[1].predicted;
    run->lost += verdicts[1].right && !verdicts[0].right;
    run->gained += verdicts[0].right && !verdicts[1].right;
  }
  return true;
}

static bool run_samples(EvaluationRun *run) {
  Tool *tool = run->tool;
  for (int64_t i = 0, n = data_count(tool, run->dataset); i < n; i++) {
    Arena *scratch = arena_create();
    Tensor judged[2];
    bool done = true;
    for (int m = 0; m < run->model_count && done; m++) {
      Evaluated *model = &run->models[m];
      Tensor *inputs = NEW_ARRAY(scratch, Tensor, model->runnable->input_count),
             *outputs = NEW_ARRAY(scratch, Tensor, model->runnable->output_count);
      done = data_sample(tool, run->dataset, model->runnable, i, inputs, scratch) &&
             runnable_run(model->runnable, inputs, outputs, scratch, &tool->diag);
      if (done) judged[m] = outputs[model->output];
    }
    done = done && judge_sample(run, judged, i);
    arena_destroy(scratch);
    if (!done) return false;
  }
  return true;
}

// --- the result

// Wilson's 95 % interval of a proportion.
static void interval(int64_t right, int64_t count, double *low, double *high) {
  double z = 1.959963984540054, n = (double)count, p = (double)right / n;
  double middle = (p + z * z / (2 * n)) / (1 + z * z / n),
         half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  *low = middle - half;
  *high = middle + half;
}

static void print_share(Arena *arena, json_t *json, const char *name, int64_t right,
                        int64_t count) {
  double low, high;
  interval(right, count, &low, &high);
  printf("%-9s %.2f %% (%" PRId64 " of %" PRId64 "; 95 %% interval %.2f to %.2f)\n", name,
         100 * (double)right / (double)count, right, count, 100 * low, 100 * high);
  json_object_set_new(json, name, json_real((double)right / (double)count));
  json_object_set_new(json, arena_printf(arena, "%s_low", name), json_real(low));
  json_object_set_new(json, arena_printf(arena, "%s_high", name), json_real(high));
}

static void print_result(const EvaluationRun *run) {
  json_t *json = json_object();
  json_object_set_new(json, "count", json_integer(run->count));
  for (int m = 0; m < run->model_count && run->has_labels; m++) {
    const Evaluated *model = &run->models[m];
    const char *metric = metric_names[run->metric];
    json_t *target = m ? json_object() : json;
    if (run->model_count > 1) printf("%s:\n", model->runnable->path);
    if (run->metric == METRIC_MSE) {
      double mse = model->squares / (double)(model->elements ? model->elements : 1);
      printf("mse       %.9g (%" PRId64 " samples)\n", mse, run->count);
      json_object_set_new(target, "mse", json_real(mse));
    } else {
      print_share(run->tool->arena, target, metric, model->right, run->count);
      if (run->metric == METRIC_TOP1 && run->has_top5)
        print_share(run->tool->arena, target, "top5", model->top5, run->count);
    }
    if (m) json_object_set_new(json, "against", target);
  }
  if (run->model_count > 1 && run->metric != METRIC_MSE) {
    print_share(run->tool->arena, json, "agreement", run->agreeing, run->count);
    if (run->has_labels)
      printf("flips     %" PRId64 " lost, %" PRId64 " gained\n", run->lost, run->gained);
    json_object_set_new(json, "lost", json_integer(run->lost));
    json_object_set_new(json, "gained", json_integer(run->gained));
  }
  if (tool_flag(run->tool, OPTION_JSON)) json_print(json);
  json_decref(json);
}

// --- the command

static bool find_output(Tool *tool, Evaluated *model) {
  const char *name = tool_text(tool, OPTION_MEASURED_OUTPUT);
  model->output = 0;
  for (int i = 0; name && i < model->runnable->output_count; i++)
    if (strcmp(model->runnable->outputs[i].name, name) == 0) return model->output = i, true;
  if (name)
    return diag_error(&tool->diag, loc_file(model->runnable->path), "the model has no output '%s'",
                      name);
  if (!model->runnable->output_count)
    return diag_error(&tool->diag, loc_file(model->runnable->path), "the model has no outputs");
  return true;
}

static bool find_labels(EvaluationRun *run) {
  Tool *tool = run->tool;
  bool refused;
  const char *name = tool_flag(tool, OPTION_LABELS) ? tool_text(tool, OPTION_LABELS) : "labels";
  run->has_labels = dataset_array(run->dataset, &tool->diag, name, &run->labels, &refused);
  if (refused) return false;
  if (run->has_labels || run->model_count > 1) return true;
  return diag_error(&tool->diag, loc_file(run->dataset->path),
                    "the data set has no array '%s' with labels", name);
}

static bool read_metric(Tool *tool, Metric *metric) {
  const char *text = tool_text(tool, OPTION_METRIC);
  *metric = METRIC_AUTO;
  if (!text) return true;
  for (int i = 1; i < METRIC_COUNT; i++)
    if (strcmp(metric_names[i], text) == 0) return *metric = (Metric)i, true;
  return usage_error("--metric=%s: wanted top1, top5, accuracy or mse", text), false;
}

Status command_eval(Tool *tool) {
  EvaluationRun run = {.tool = tool};
  Status status;
  const char *paths[] = {tool_argument(tool, 0), tool_text(tool, OPTION_AGAINST)};
  if (!tool_flag(tool, OPTION_DATA)) return usage_error("'eval' wants --data=SET");
  if (!read_metric(tool, &run.metric)) return STATUS_USAGE;
  for (int m = 0; m < 2 && paths[m]; m++) {
    run.models[m].runnable = runnable_open(tool, paths[m], &status);
    if (!run.models[m].runnable) return status;
    if (!find_output(tool, &run.models[m])) return STATUS_REFUSED;
    run.model_count++;
  }
  run.dataset = data_open(tool);
  if (!run.dataset || !find_labels(&run) || !run_samples(&run)) return STATUS_REFUSED;
  if (!run.count)
    return diag_error(&tool->diag, loc_file(run.dataset->path), "the data set is empty"),
           STATUS_REFUSED;
  print_result(&run);
  return STATUS_DONE;
}
