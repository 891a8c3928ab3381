// Merges the sections of several relocatable objects into one object.
//
// Sections of the same name are not joined: ELF allows several, the application's linker joins them
// anyway, and so neither offsets nor the addends inside the code ever change. What has to change
// are indices: of sections in headers, of symbols in relocations. The one exception is .eh_frame:
// LLVM's JIT linker, which runs the same objects, expects a single one.
#include "codegen/object.h"

#include <assert.h>
#include <string.h>

#include "codegen/object_image.h"

// LLVM's own sections: call graph profiles, address significance, ... They hold symbol indices in
// LEB128 and help only lld.
#define FIRST_LLVM_SECTION_TYPE UINT32_C(0x6fff4c00)
#define LAST_LLVM_SECTION_TYPE UINT32_C(0x6fff4cff)
#define LARGE_SECTION_FLAG UINT64_C(0x10000000) // SHF_X86_64_LARGE
#define ARM_FLOAT_ABI_FLAGS UINT32_C(0x600)
#define ARM_CANNOT_UNWIND 1

int linker_add_section(Linker *linker, ObjectSection section, const ObjectDataSection *data) {
  ObjectImage *image = linker->image;
  int count = image->file.section_count;
  if (count == image->section_capacity) {
    int capacity = count ? 2 * count : 64;
    image->file.sections = arena_grow(linker->arena, image->file.sections, (size_t)count,
                                      (size_t)capacity, sizeof section);
    image->data =
        arena_grow(linker->arena, image->data, (size_t)count, (size_t)capacity, sizeof data);
    image->section_capacity = capacity;
  }
  image->file.sections[count] = section;
  image->data[count] = data;
  return image->file.section_count++;
}

static bool has_section(const Linker *linker, const char *name) {
  const ObjectFile *file = &linker->image->file;
  return object_find_section(file, name) != NULL;
}

// The section with the relocations of section `index`; 0: it has none.
static int relocations_of(const ObjectFile *file, int index) {
  for (int i = 1; i < file->section_count; i++)
    if (is_relocation(&file->sections[i]) && file->sections[i].info == (uint32_t)index) return i;
  return 0;
}

// Pairs of words: offset of a function, how to unwind it. A word that has a relocation, or whose
// lowest bits say something else, describes real unwinding.
static bool only_cannot_unwind(const ObjectFile *file, int index) {
  const ObjectSection *section = &file->sections[index];
  if (file->machine != EM_ARM || section->type != SHT_ARM_EXIDX || section->size % 8) return false;
  for (uint64_t i = 0; i < section->size; i += 8) {
    uint32_t action;
    memcpy(&action, section->bytes + i + 4, sizeof action);
    if (action != ARM_CANNOT_UNWIND) return false;
  }
  const ObjectSection *relocations = &file->sections[relocations_of(file, index)];
  for (uint64_t i = 0; i + sizeof(Elf32_Rel) <= relocations->size; i += sizeof(Elf32_Rel)) {
    Elf32_Rel entry;
    memcpy(&entry, relocations->bytes + i, sizeof entry);
    if (entry.r_offset % 8) return false;
  }
  return true;
}

// LLVM always writes .text. A section counts as used if anything points to it.
static bool *find_used_sections(Arena *arena, const ObjectFile *file) {
  bool *used = NEW_ARRAY(arena, bool, file->section_count);
  for (int i = 1; i < file->symbol_count; i++)
    if (file->symbols[i].section < file->section_count) used[file->symbols[i].section] = true;
  for (int i = 1; i < file->section_count; i++) {
    const ObjectSection *section = &file->sections[i];
    if (is_relocation(section)) used[section->info] = true;
    if (section->flags & SHF_LINK_ORDER) used[section->link] = true;
    if (section->size || !(section->flags & SHF_ALLOC)) used[i] = true;
  }
  return used;
}

static bool is_attributes(const ObjectFile *file, const ObjectSection *section) {
  return (file->machine == EM_ARM || file->machine == EM_RISCV) &&
         section->type == SHT_ARM_ATTRIBUTES; // the same number on RISC-V
}

// Whether a section of an input goes into the output. Relocation sections go with their target.
static bool is_kept(const Linker *linker, const ObjectFile *file, int index) {
  const ObjectSection *section = &file->sections[index];
  bool stack_note = !strcmp(section->name, ".note.GNU-stack");
  switch (section->type) {
  case SHT_NULL:
  case SHT_SYMTAB:
  case SHT_STRTAB:
  case SHT_GROUP: return false;
  default: break;
  }
  if (section->type >= FIRST_LLVM_SECTION_TYPE && section->type <= LAST_LLVM_SECTION_TYPE)
    return false;
  if (!strcmp(section->name, ".comment")) return false;
  if (stack_note && linker->request->drop_stack_note) return false;
  if (stack_note || section->type == SHT_NOTE || is_attributes(file, section))
    return !has_section(linker, section->name);
  return !linker->request->drop_cantunwind || !only_cannot_unwind(file, index);
}

static const char *output_name(const Linker *linker, const char *name) {
  const ObjectRequest *request = linker->request;
  const char *renamed =
      request->rename_section ? request->rename_section(request->rename_user, name) : NULL;
  return renamed ? renamed : name;
}

// Where to append a section of unwind tables; 0: it stays alone. Padding between two of them would
// read as the end of the table.
static int find_section_to_join(const Linker *linker, const ObjectSection *section) {
  const ObjectFile *file = &linker->image->file;
  if (strcmp(section->name, ".eh_frame") != 0) return 0;
  for (int i = 1; i < file->section_count; i++) {
    const ObjectSection *other = &file->sections[i];
    if (!strcmp(other->name, section->name) && other->type == section->type &&
        other->flags == section->flags && other->alignment == section->alignment &&
        other->size % section->alignment == 0)
      return i;
  }
  return 0;
}

// Returns where the appended bytes start.
static uint64_t join_section(Linker *linker, int output, const ObjectSection *more) {
  ObjectSection *section = &linker->image->file.sections[output];
  uint64_t start = section->size, size = start + more->size;
  uint8_t *bytes = arena_grow(linker->arena, section->bytes, (size_t)start, (size_t)size, 1);
  if (more->size) memcpy(bytes + start, more->bytes, (size_t)more->size);
  section->bytes = bytes;
  section->size = size;
  return start;
}

static bool add_input_section(Linker *linker, LinkInput *input, int index) {
  const ObjectFile *file = input->file;
  ObjectSection section = file->sections[index];
  section.name = output_name(linker, section.name);
  section.flags &= ~(uint64_t)SHF_GROUP;
  if (is_attributes(file, &section) && file->machine == EM_ARM &&
      !arm_allow_every_float_abi(linker->arena, linker->diag, linker->request->loc, &section))
    return false;
  int joined = find_section_to_join(linker, &section);
  if (joined) {
    input->section_map[index] = joined;
    input->bases[index] = join_section(linker, joined, &section);
  } else {
    input->section_map[index] = linker_add_section(linker, section, NULL);
  }
  return true;
}

static bool add_input_sections(Linker *linker, LinkInput *input) {
  const ObjectFile *file = input->file;
  bool *used = find_used_sections(linker->arena, file);
  input->section_map = NEW_ARRAY(linker->arena, int, file->section_count);
  input->bases = NEW_ARRAY(linker->arena, uint64_t, file->section_count);
  for (int i = 1; i < file->section_count; i++) {
    if (is_relocation(&file->sections[i]) || !used[i] || !is_kept(linker, file, i)) continue;
    if (!add_input_section(linker, input, i)) return false;
  }
  for (int i = 1; i < file->section_count; i++) {
    int output = input->section_map[i];
    if (!output) continue;
    ObjectSection *section = &linker->image->file.sections[output];
    if (section->flags & SHF_LINK_ORDER)
      section->link = (uint32_t)input->section_map[file->sections[i].link];
  }
  return true;
}

// A copy of relocation entries, whose places lie `base` bytes further on.
static const uint8_t *moved_relocations(const Linker *linker, const ObjectSection *section,
                                        uint64_t base) {
  size_t size = (size_t)section->size;
  size_t width = linker->image->file.is_64 ? 8 : 4; // of the first field, the offset
  uint8_t *entries = arena_grow(linker->arena, section->bytes, size, size, 1);
  for (size_t i = 0; base && i < size; i += (size_t)section->entry_size) {
    uint64_t offset = 0;
    memcpy(&offset, entries + i, width);
    offset += base;
    memcpy(entries + i, &offset, width);
  }
  return entries;
}

// Copies, since object_symbols.c writes the symbols' new indices into them.
static void add_input_relocations(Linker *linker, LinkInput *input) {
  const ObjectFile *file = input->file;
  for (int i = 1; i < file->section_count; i++) {
    ObjectSection section = file->sections[i];
    if (!is_relocation(&section) || !input->section_map[section.info] || !section.size) continue;
    int target = input->section_map[section.info];
    section.bytes = moved_relocations(linker, &section, input->bases[section.info]);
    section.info = (uint32_t)target;
    int joined = relocations_of(&linker->image->file, target);
    if (joined && linker->image->file.sections[joined].type == section.type) {
      input->section_map[i] = joined;
      input->bases[i] = join_section(linker, joined, &section);
      continue;
    }
    section.name = arena_printf(linker->arena, "%s%s", section.type == SHT_REL ? ".rel" : ".rela",
                                linker->image->file.sections[target].name);
    section.flags &= ~(uint64_t)SHF_GROUP;
    input->section_map[i] = linker_add_section(linker, section, NULL);
  }
}

static void add_data_sections(Linker *linker) {
  const ObjectRequest *request = linker->request;
  const ObjectFile *file = &linker->image->file;
  linker->data_sections = NEW_ARRAY(linker->arena, int, request->data_count);
  for (int i = 0; i < request->data_count; i++) {
    const ObjectDataSection *data = &request->data[i];
    assert(data->alignment && !(data->alignment & (data->alignment - 1)) && "not a power of two");
    ObjectSection section = {.name = output_name(linker, data->name),
                             .type = data->write ? SHT_PROGBITS : SHT_NOBITS,
                             .flags = SHF_ALLOC,
                             .size = data->size,
                             .alignment = data->alignment};
    if (data->writable || !data->write) section.flags |= SHF_WRITE;
    bool large = !strncmp(section.name, ".lrodata", 8) || !strncmp(section.name, ".ldata", 6) ||
                 !strncmp(section.name, ".lbss", 5);
    if (large && file->machine == EM_X86_64) section.flags |= LARGE_SECTION_FLAG;
    linker->data_sections[i] = linker_add_section(linker, section, data->write ? data : NULL);
  }
}

// What the header says has to be the same in all modules; they come from one target machine.
static bool take_header(Linker *linker, const ObjectFile *file, bool first) {
  ObjectFile *output = &linker->image->file;
  uint32_t flags = file->flags;
  if (file->machine == EM_ARM) flags &= ~ARM_FLOAT_ABI_FLAGS;
  Loc loc = linker->request->loc;
  if (file->type != ET_REL)
    return diag_error(linker->diag, loc, "internal error: '%s' is not a relocatable object",
                      file->path);
  if (first) {
    output->path = file->path;
    output->is_64 = file->is_64;
    output->type = ET_REL;
    output->machine = file->machine;
    output->os_abi = file->os_abi;
    output->flags = flags;
    return true;
  }
  if (output->is_64 != file->is_64 || output->machine != file->machine)
    return diag_error(linker->diag, loc, "internal error: '%s' and '%s' are for different targets",
                      output->path, file->path);
  uint32_t may_differ = file->machine == EM_RISCV ? EF_RISCV_RVC : 0;
  if ((output->flags ^ flags) & ~may_differ)
    return diag_error(linker->diag, loc, "internal error: '%s' and '%s' have different ABIs",
                      output->path, file->path);
  output->flags |= flags;
  return true;
}

// Indices that the merge relies on. LLVM's objects have them right; a damaged one must not crash.
static bool check_indices(const Linker *linker, const ObjectFile *file) {
  uint32_t count = (uint32_t)file->section_count;
  for (uint32_t i = 1; i < count; i++) {
    const ObjectSection *section = &file->sections[i];
    size_t entry = section->type == SHT_RELA
                       ? (file->is_64 ? sizeof(Elf64_Rela) : sizeof(Elf32_Rela))
                       : (file->is_64 ? sizeof(Elf64_Rel) : sizeof(Elf32_Rel));
    bool good = true;
    if (is_relocation(section))
      good = section->info && section->info < count && section->entry_size == entry &&
             section->size % entry == 0;
    if (section->flags & SHF_LINK_ORDER) good = good && section->link < count;
    if (!good)
      return diag_error(linker->diag, linker->request->loc,
                        "internal error: section '%s' of '%s' is damaged", section->name,
                        file->path);
  }
  return true;
}

static bool add_inputs(Linker *linker) {
  const ObjectRequest *request = linker->request;
  linker->inputs = NEW_ARRAY(linker->arena, LinkInput, request->input_count);
  for (int i = 0; i < request->input_count; i++) {
    const ObjectInput *input = &request->inputs[i];
    ObjectFile *file =
        object_read(linker->arena, linker->diag, input->name, input->bytes, input->size);
    if (!file || !take_header(linker, file, i == 0) || !check_indices(linker, file)) return false;
    linker->inputs[i].file = file;
    if (!add_input_sections(linker, &linker->inputs[i])) return false;
    add_input_relocations(linker, &linker->inputs[i]);
  }
  return true;
}

ObjectImage *object_link(Arena *arena, Diag *diag, const ObjectRequest *request) {
  assert(request->input_count > 0);
  ObjectImage *image = NEW(arena, ObjectImage);
  Linker linker = {.arena = arena, .diag = diag, .request = request, .image = image};
  linker.by_name.arena = arena;
  linker_add_section(&linker, (ObjectSection){.name = "", .alignment = 1}, NULL);
  if (!add_inputs(&linker)) return NULL;
  add_data_sections(&linker);
  if (request->note) {
    ObjectSection note = {.name = OBJECT_NOTE_SECTION,
                          .type = SHT_PROGBITS,
                          .size = request->note_bytes,
                          .alignment = 1,
                          .bytes = request->note};
    linker_add_section(&linker, note, NULL);
  }
  if (!linker_resolve_symbols(&linker)) return NULL;
  image->names_index = linker_add_section(
      &linker, (ObjectSection){.name = ".shstrtab", .type = SHT_STRTAB, .alignment = 1}, NULL);
  return image_lay_out(image, arena, diag, request->loc) ? image : NULL;
}

ObjectSizes object_image_sizes(const ObjectImage *image) { return object_sizes(&image->file); }

uint64_t object_image_size(const ObjectImage *image) { return image->size; }

const char *const *object_image_globals(const ObjectImage *image) { return image->globals; }

const char *const *object_image_undefined(const ObjectImage *image) { return image->undefined; }
