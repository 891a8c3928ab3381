// Drives the object writer from lit tests.
//
//   object_test link OUT [option...] INPUT.o...   --archive         an archive of one member
//                                                 --name MEMBER     its name
//                                                 --bare            as for bare metal
//                                                 --weights SECTION BYTES ALIGNMENT
//                                                                   defines weights_first (256
//                                                                   bytes 0, 7, 14, ...) and
//                                                                   weights_rest
//                                                 --zeroed BYTES    defines `scratch` in
//                                                 .bss.scratch
//                                                 --export NAME, --allow NAME   may be repeated
//   object_test read FILE                         prints sections, symbols, sizes
//   object_test damage FILE                       reads (and links) it with every byte of its
//   tables
//                                                 changed, and cut off everywhere: must not crash
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "codegen/object.h"
#include "ir/arena.h"

enum { MOST = 32 };

static bool write_weights(void *user, OutputSink *sink) {
  const uint64_t *size = user;
  uint8_t block[4096];
  for (uint64_t done = 0, step; done < *size; done += step) {
    step = *size - done < sizeof block ? *size - done : sizeof block;
    for (uint64_t i = 0; i < step; i++) block[i] = (uint8_t)(7 * (done + i));
    sink_write(sink, block, (size_t)step);
  }
  return true;
}

typedef struct Options {
  ObjectRequest request;
  ObjectInput inputs[MOST];
  ObjectDataSection data[2];
  ObjectDataSymbol symbols[3];
  const char *exported[MOST], *allowed[MOST];
  int exported_count, allowed_count;
  bool archive;
  const char *member;
} Options;

static void add_weights(Options *o, char **words) {
  uint64_t size = strtoull(words[1], NULL, 0);
  o->symbols[0] = (ObjectDataSymbol){"weights_first", 0, 256, OBJECT_HIDDEN};
  o->symbols[1] = (ObjectDataSymbol){"weights_rest", 256, size - 256, OBJECT_LOCAL};
  ObjectDataSection *section = &o->data[o->request.data_count++];
  *section = (ObjectDataSection){.name = words[0],
                                 .alignment = strtoull(words[2], NULL, 0),
                                 .size = size,
                                 .symbols = o->symbols,
                                 .symbol_count = 2,
                                 .write = write_weights};
  section->user = &section->size;
}

static void add_zeroed(Options *o, uint64_t size) {
  o->symbols[2] = (ObjectDataSymbol){"scratch", 0, size, OBJECT_HIDDEN};
  o->data[o->request.data_count++] = (ObjectDataSection){.name = ".bss.scratch",
                                                         .alignment = 16,
                                                         .size = size,
                                                         .symbols = &o->symbols[2],
                                                         .symbol_count = 1};
}

static bool parse(Options *o, Arena *arena, Diag *diag, char **words) {
  ObjectRequest *request = &o->request;
  o->member = "model.o";
  for (; *words; words++) {
    if (!strcmp(*words, "--archive")) {
      o->archive = true;
    } else if (!strcmp(*words, "--bare")) {
      request->drop_stack_note = request->drop_cantunwind = true;
    } else if (!strcmp(*words, "--name")) {
      o->member = *++words;
    } else if (!strcmp(*words, "--export")) {
      o->exported[o->exported_count++] = *++words;
      request->exported = o->exported;
    } else if (!strcmp(*words, "--allow")) {
      o->allowed[o->allowed_count++] = *++words;
    } else if (!strcmp(*words, "--zeroed")) {
      add_zeroed(o, strtoull(*++words, NULL, 0));
    } else if (!strcmp(*words, "--weights")) {
      add_weights(o, words + 1);
      words += 3;
    } else {
      ObjectInput *input = &o->inputs[request->input_count++];
      input->name = *words;
      input->bytes = file_map(arena, diag, *words, &input->size);
      if (!input->bytes) return false;
    }
  }
  request->inputs = o->inputs;
  request->data = o->data;
  request->allowed_undefined = o->allowed;
  request->note = "made by object_test\n";
  request->note_bytes = strlen(request->note);
  request->loc = loc_file("model.onnx");
  return true;
}

static bool link_objects(Arena *arena, Diag *diag, char **words) {
  Options options = {.archive = false};
  if (!parse(&options, arena, diag, words + 1)) return false;
  const ObjectImage *image = object_link(arena, diag, &options.request);
  if (!image) return false;
  OutputFile *file = output_open(arena, diag, words[0]);
  if (!file) return false;
  ArchiveMember member = {options.member, image};
  bool good = options.archive ? archive_write(arena, diag, &member, 1, output_sink(file))
                              : object_image_write(image, output_sink(file));
  ObjectSizes sizes = object_image_sizes(image);
  printf("code %" PRIu64 " read_only %" PRIu64 " writable %" PRIu64 " zeroed %" PRIu64 "\n",
         sizes.code, sizes.read_only, sizes.writable, sizes.zeroed);
  for (const char *const *name = object_image_globals(image); *name; name++)
    printf("global %s\n", *name);
  for (const char *const *name = object_image_undefined(image); *name; name++)
    printf("undefined %s\n", *name);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("memory below 200 MB: %s\n", usage.ru_maxrss < 200 * 1024 ? "yes" : "no");
  if (good) return output_commit(file, diag);
  output_abort(file);
  return false;
}

static bool read_object(Arena *arena, Diag *diag, const char *path) {
  size_t size;
  const uint8_t *bytes = file_map(arena, diag, path, &size);
  if (!bytes) return false;
  const ObjectFile *file = object_read(arena, diag, path, bytes, size);
  if (!file) return false;
  for (int i = 1; i < file->section_count; i++)
    printf("section %s type %u flags 0x%" PRIx64 " size %" PRIu64 "\n", file->sections[i].name,
           file->sections[i].type, file->sections[i].flags, file->sections[i].size);
  for (int i = 1; i < file->symbol_count; i++)
    printf("symbol %s %s\n", file->symbols[i].binding == STB_LOCAL ? "local" : "global",
           file->symbols[i].name);
  const ObjectSection *note = object_find_section(file, OBJECT_NOTE_SECTION);
  if (note) printf("note: %.*s", (int)note->size, (const char *)note->bytes);
  ObjectSizes sizes = object_sizes(file);
  printf("code %" PRIu64 " read_only %" PRIu64 " writable %" PRIu64 " zeroed %" PRIu64 "\n",
         sizes.code, sizes.read_only, sizes.writable, sizes.zeroed);
  return true;
}

// The copy has exactly `size` bytes of its own, so that a sanitizer sees any step outside.
static void try_damaged(const uint8_t *bytes, size_t size, size_t at, uint8_t value) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, NULL);
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) machine_failed("out of memory");
  memcpy(copy, bytes, size);
  if (at < size) copy[at] ^= value;
  ObjectFile *file = object_read(arena, &diag, "damaged", copy, size);
  if (!file && !diag.errors) machine_failed("refused without a message");
  ObjectInput input = {"damaged", copy, size};
  object_link(arena, &diag,
              &(ObjectRequest){.inputs = &input, .input_count = 1, .drop_cantunwind = true});
  free(copy);
  arena_destroy(arena);
}

static bool damage(Arena *arena, Diag *diag, const char *path) {
  size_t size;
  const uint8_t *bytes = file_map(arena, diag, path, &size);
  if (!bytes) return false;
  for (size_t i = 0; i <= size; i++) try_damaged(bytes, i, size, 0);
  for (size_t i = 0; i < size; i++) {
    try_damaged(bytes, size, i, 0xff);
    try_damaged(bytes, size, i, 0x01);
    try_damaged(bytes, size, i, 0x80);
  }
  printf("survived\n");
  return true;
}

int main(int count, char **words) {
  Arena *arena = arena_create();
  Diag diag;
  diag_init(&diag, arena, stderr);
  bool good = false;
  if (count > 3 && !strcmp(words[1], "link"))
    good = link_objects(arena, &diag, words + 2);
  else if (count == 3 && !strcmp(words[1], "read"))
    good = read_object(arena, &diag, words[2]);
  else if (count == 3 && !strcmp(words[1], "damage"))
    good = damage(arena, &diag, words[2]);
  else
    fprintf(stderr, "usage: object_test link|read|damage ...\n");
  arena_destroy(arena);
  return good ? 0 : 1;
}
