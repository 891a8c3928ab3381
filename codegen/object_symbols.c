// Symbols of a merged object: resolves names across modules, makes internal ones local, checks what
// stays undefined, and renumbers the relocations.
#include <assert.h>
#include <string.h>

#include "codegen/object_image.h"

static uint32_t hash_name(const char *name) {
  uint32_t hash = 2166136261u; // FNV-1a
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
  return hash;
}

// The slot of the name, or the free one where it would be.
static int find_slot(const NameMap *map, const char *name) {
  uint32_t slot = hash_name(name);
  while (map->names[slot &= (uint32_t)map->capacity - 1] && strcmp(map->names[slot], name)) slot++;
  return (int)slot;
}

int *name_map_find(const NameMap *map, const char *name) {
  if (!map->capacity) return NULL;
  int slot = find_slot(map, name);
  return map->names[slot] ? &map->numbers[slot] : NULL;
}

void name_map_add(NameMap *map, const char *name, int number) {
  if (2 * (map->count + 1) > map->capacity) {
    NameMap larger = {.arena = map->arena, .capacity = map->capacity ? 2 * map->capacity : 256};
    larger.names = NEW_ARRAY(map->arena, const char *, larger.capacity);
    larger.numbers = NEW_ARRAY(map->arena, int, larger.capacity);
    for (int i = 0; i < map->capacity; i++)
      if (map->names[i]) name_map_add(&larger, map->names[i], map->numbers[i]);
    *map = larger;
  }
  int slot = find_slot(map, name);
  if (!map->names[slot]) map->count++;
  map->names[slot] = name;
  map->numbers[slot] = number;
}

void string_table_init(StringTable *table, Arena *arena) {
  *table = (StringTable){.offsets.arena = arena};
  memory_sink_init(&table->bytes, arena);
  sink_write(&table->bytes.sink, "", 1);
}

uint32_t string_table_add(StringTable *table, const char *text) {
  if (!*text) return 0;
  int *known = name_map_find(&table->offsets, text);
  if (known) return (uint32_t)*known;
  size_t offset = table->bytes.size;
  assert(offset < INT32_MAX && "string table beyond 2 GiB");
  sink_write(&table->bytes.sink, text, strlen(text) + 1);
  name_map_add(&table->offsets, text, (int)offset);
  return (uint32_t)offset;
}

static int add_symbol(Linker *linker, ObjectSymbol symbol) {
  LinkSymbol added = {.symbol = symbol};
  ARENA_PUSH(linker->arena, linker->symbols, linker->symbol_count, linker->symbol_capacity, added);
  return linker->symbol_count - 1;
}

// The most constraining of two visibilities wins; 0 (default) constrains nothing.
static uint8_t merge_visibility(uint8_t other, uint8_t more) {
  uint8_t a = other & 3, b = more & 3;
  uint8_t merged = !a ? b : !b || a < b ? a : b;
  return (uint8_t)((other & ~3) | merged);
}

// A strong definition replaces a weak one, any definition an undefined symbol. The first wins
// among equals: the modules come in a fixed order.
static bool resolve(Linker *linker, ObjectSymbol *known, const ObjectSymbol *found) {
  uint8_t other = merge_visibility(found->other, known->other);
  bool known_defined = known->section != SHN_UNDEF, found_defined = found->section != SHN_UNDEF;
  bool replaces = found_defined &&
                  (!known_defined || (known->binding == STB_WEAK && found->binding != STB_WEAK));
  if (known_defined && found_defined && known->binding != STB_WEAK && found->binding != STB_WEAK)
    return diag_error(linker->diag, linker->request->loc,
                      "internal error: symbol '%s' is defined twice", found->name);
  if (replaces) {
    *known = *found;
    known->other = other;
    return true;
  }
  known->other = merge_visibility(known->other, found->other);
  if (!known_defined && found->binding == STB_GLOBAL) known->binding = STB_GLOBAL;
  return true;
}

static bool add_global(Linker *linker, const ObjectSymbol *symbol, int *number) {
  int *known = name_map_find(&linker->by_name, symbol->name);
  if (known) {
    *number = *known;
    return resolve(linker, &linker->symbols[*known].symbol, symbol);
  }
  *number = add_symbol(linker, *symbol);
  name_map_add(&linker->by_name, symbol->name, *number);
  return true;
}

// The symbol with its section's output index and its place there.
static ObjectSymbol moved_symbol(const LinkInput *input, const ObjectSymbol *symbol) {
  ObjectSymbol moved = *symbol;
  if (symbol->section == SHN_UNDEF || symbol->section >= SHN_LORESERVE) return moved;
  moved.section = (uint16_t)input->section_map[symbol->section];
  moved.value += input->bases[symbol->section];
  // The symbol of a section stands for its start; that of a joined one is a place inside.
  if (symbol->type == STT_SECTION && input->bases[symbol->section]) moved.type = STT_NOTYPE;
  return moved;
}

static bool add_input_symbols(Linker *linker, LinkInput *input) {
  const ObjectFile *file = input->file;
  input->symbol_map = NEW_ARRAY(linker->arena, int, file->symbol_count);
  if (file->symbol_count) input->symbol_map[0] = -1;
  for (int i = 1; i < file->symbol_count; i++) {
    ObjectSymbol symbol = moved_symbol(input, &file->symbols[i]);
    input->symbol_map[i] = -1;
    if (symbol.binding != STB_LOCAL) {
      if (!add_global(linker, &symbol, &input->symbol_map[i])) return false;
      continue;
    }
    bool dropped = symbol.section == SHN_UNDEF || (symbol.type == STT_FILE && !*symbol.name);
    if (!dropped) input->symbol_map[i] = add_symbol(linker, symbol);
  }
  return true;
}

static bool add_data_symbols(Linker *linker) {
  const ObjectRequest *request = linker->request;
  for (int i = 0; i < request->data_count; i++) {
    const ObjectDataSection *data = &request->data[i];
    for (int j = 0; j < data->symbol_count; j++) {
      const ObjectDataSymbol *wanted = &data->symbols[j];
      assert(wanted->offset <= data->size && wanted->size <= data->size - wanted->offset);
      ObjectSymbol symbol = {.name = wanted->name,
                             .type = STT_OBJECT,
                             .binding = STB_GLOBAL,
                             .other = wanted->binding == OBJECT_GLOBAL ? STV_DEFAULT : STV_HIDDEN,
                             .section = (uint16_t)linker->data_sections[i],
                             .value = wanted->offset,
                             .size = wanted->size};
      int number;
      if (!add_global(linker, &symbol, &number)) return false;
      // Local only now: as a global it has met the references of the modules.
      if (wanted->binding == OBJECT_LOCAL) linker->symbols[number].symbol.binding = STB_LOCAL;
    }
  }
  return true;
}

static bool in_list(const char *const *list, const char *name) {
  for (; list && *list; list++)
    if (!strcmp(*list, name)) return true;
  return false;
}

static void make_internal_local(Linker *linker) {
  const char *const *exported = linker->request->exported;
  NameMap names = {.arena = linker->arena};
  for (int i = 0; exported && exported[i]; i++) name_map_add(&names, exported[i], i);
  for (int i = 0; i < linker->symbol_count; i++) {
    ObjectSymbol *symbol = &linker->symbols[i].symbol;
    bool fixed = symbol->section == SHN_UNDEF || symbol->section == SHN_COMMON;
    if (exported && !fixed && !name_map_find(&names, symbol->name)) symbol->binding = STB_LOCAL;
    // Keeps the processor's bits: calling conventions of AArch64 and RISC-V.
    if (symbol->binding == STB_LOCAL) symbol->other &= (uint8_t)~3;
  }
}

typedef struct Relocations {
  uint8_t *entries;
  size_t entry_size, count;
  bool is_64;
} Relocations;

// The entries that came from section `index` of an input.
static Relocations relocations_of_input(const Linker *linker, const LinkInput *input, int index) {
  const ObjectSection *section = &linker->image->file.sections[input->section_map[index]];
  // The image's copy was made for this (object_link.c).
  return (Relocations){.entries = (uint8_t *)(uintptr_t)section->bytes + input->bases[index],
                       .entry_size = (size_t)section->entry_size,
                       .count = (size_t)(input->file->sections[index].size / section->entry_size),
                       .is_64 = linker->image->file.is_64};
}

static uint32_t relocation_symbol(const Relocations *r, size_t i) {
  if (r->is_64) {
    Elf64_Rel entry;
    memcpy(&entry, r->entries + i * r->entry_size, sizeof entry);
    return (uint32_t)ELF64_R_SYM(entry.r_info);
  }
  Elf32_Rel entry;
  memcpy(&entry, r->entries + i * r->entry_size, sizeof entry);
  return ELF32_R_SYM(entry.r_info);
}

// A RELA entry starts as a REL entry does; its addend stays.
static void set_relocation_symbol(const Relocations *r, size_t i, uint32_t symbol) {
  if (r->is_64) {
    Elf64_Rel entry;
    memcpy(&entry, r->entries + i * r->entry_size, sizeof entry);
    entry.r_info = ELF64_R_INFO((uint64_t)symbol, ELF64_R_TYPE(entry.r_info));
    memcpy(r->entries + i * r->entry_size, &entry, sizeof entry);
    return;
  }
  Elf32_Rel entry;
  memcpy(&entry, r->entries + i * r->entry_size, sizeof entry);
  entry.r_info = ELF32_R_INFO(symbol, ELF32_R_TYPE(entry.r_info));
  memcpy(r->entries + i * r->entry_size, &entry, sizeof entry);
}

// Calls `visit` for each kept relocation section of the inputs.
static bool for_each_relocations(Linker *linker,
                                 bool (*visit)(Linker *, const LinkInput *, const Relocations *)) {
  for (int i = 0; i < linker->request->input_count; i++) {
    const LinkInput *input = &linker->inputs[i];
    for (int s = 1; s < input->file->section_count; s++) {
      if (!is_relocation(&input->file->sections[s]) || !input->section_map[s]) continue;
      Relocations relocations = relocations_of_input(linker, input, s);
      if (!visit(linker, input, &relocations)) return false;
    }
  }
  return true;
}

static bool mark_referenced(Linker *linker, const LinkInput *input,
                            const Relocations *relocations) {
  for (size_t i = 0; i < relocations->count; i++) {
    uint32_t symbol = relocation_symbol(relocations, i);
    if (!symbol) continue;
    if (symbol >= (uint32_t)input->file->symbol_count || input->symbol_map[symbol] < 0)
      return diag_error(linker->diag, linker->request->loc,
                        "internal error: '%s' refers to a symbol that it does not contain",
                        input->file->path);
    linker->symbols[input->symbol_map[symbol]].referenced = true;
  }
  return true;
}

static bool renumber(Linker *linker, const LinkInput *input, const Relocations *relocations) {
  for (size_t i = 0; i < relocations->count; i++) {
    uint32_t symbol = relocation_symbol(relocations, i);
    if (!symbol) continue;
    int index = linker->symbols[input->symbol_map[symbol]].index;
    assert(index > 0 && "a referenced symbol is in the table");
    set_relocation_symbol(relocations, i, (uint32_t)index);
  }
  return true;
}

// The linker defines this one itself.
static bool is_linkers_own(const char *name) { return !strcmp(name, "_GLOBAL_OFFSET_TABLE_"); }

static bool check_undefined(Linker *linker) {
  const char *missing = NULL;
  int count = 0;
  for (int i = 0; i < linker->symbol_count; i++) {
    const LinkSymbol *symbol = &linker->symbols[i];
    const char *name = symbol->symbol.name;
    if (symbol->symbol.section != SHN_UNDEF || !symbol->referenced || is_linkers_own(name))
      continue;
    if (in_list(linker->request->allowed_undefined, name)) continue;
    missing = missing ? arena_printf(linker->arena, "%s, '%s'", missing, name)
                      : arena_printf(linker->arena, "'%s'", name);
    count++;
  }
  if (!count) return true;
  return diag_error(linker->diag, linker->request->loc,
                    "internal error: the generated code needs %s, which the target does not have",
                    missing);
}

static void write_symbol(OutputSink *sink, bool is_64, const ObjectSymbol *symbol, uint32_t name) {
  uint8_t info = (uint8_t)((symbol->binding << 4) | symbol->type);
  if (is_64) {
    Elf64_Sym entry = {name, info, symbol->other, symbol->section, symbol->value, symbol->size};
    sink_write(sink, &entry, sizeof entry);
  } else {
    Elf32_Sym entry = {name, (uint32_t)symbol->value, (uint32_t)symbol->size,
                       info, symbol->other,           symbol->section};
    sink_write(sink, &entry, sizeof entry);
  }
}

typedef struct SymbolTable {
  MemorySink entries;
  StringTable strings;
  int count;
} SymbolTable;

// Locals or globals, in the order in which they were found; undefined ones only if needed.
static void write_symbols(Linker *linker, SymbolTable *table, bool local) {
  for (int i = 0; i < linker->symbol_count; i++) {
    LinkSymbol *symbol = &linker->symbols[i];
    if ((symbol->symbol.binding == STB_LOCAL) != local) continue;
    if (symbol->symbol.section == SHN_UNDEF && !symbol->referenced) continue;
    symbol->index = table->count++;
    write_symbol(&table->entries.sink, linker->image->file.is_64, &symbol->symbol,
                 string_table_add(&table->strings, symbol->symbol.name));
  }
}

static void list_names(Linker *linker) {
  ObjectImage *image = linker->image;
  int global_count = 0, undefined_count = 0;
  image->globals = NEW_ARRAY(linker->arena, const char *, linker->symbol_count + 1);
  image->undefined = NEW_ARRAY(linker->arena, const char *, linker->symbol_count + 1);
  for (int i = 0; i < linker->symbol_count; i++) {
    const LinkSymbol *symbol = &linker->symbols[i];
    if (!symbol->index || symbol->symbol.binding == STB_LOCAL) continue;
    if (symbol->symbol.section == SHN_UNDEF)
      image->undefined[undefined_count++] = symbol->symbol.name;
    else
      image->globals[global_count++] = symbol->symbol.name;
  }
}

static void add_symbol_table(Linker *linker) {
  bool is_64 = linker->image->file.is_64;
  SymbolTable table = {.count = 1};
  memory_sink_init(&table.entries, linker->arena);
  string_table_init(&table.strings, linker->arena);
  write_symbol(&table.entries.sink, is_64, &(ObjectSymbol){.section = SHN_UNDEF}, 0);
  write_symbols(linker, &table, true);
  int first_global = table.count;
  write_symbols(linker, &table, false);
  ObjectSection strings = {.name = ".strtab",
                           .type = SHT_STRTAB,
                           .size = table.strings.bytes.size,
                           .alignment = 1,
                           .bytes = table.strings.bytes.bytes};
  ObjectSection symbols = {.name = ".symtab",
                           .type = SHT_SYMTAB,
                           .size = table.entries.size,
                           .alignment = is_64 ? 8 : 4,
                           .entry_size = is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym),
                           .link = (uint32_t)linker_add_section(linker, strings, NULL),
                           .info = (uint32_t)first_global,
                           .bytes = table.entries.bytes};
  uint32_t index = (uint32_t)linker_add_section(linker, symbols, NULL);
  ObjectFile *file = &linker->image->file;
  for (int i = 1; i < file->section_count; i++)
    if (is_relocation(&file->sections[i])) file->sections[i].link = index;
}

bool linker_resolve_symbols(Linker *linker) {
  for (int i = 0; i < linker->request->input_count; i++)
    if (!add_input_symbols(linker, &linker->inputs[i])) return false;
  if (!add_data_symbols(linker)) return false;
  make_internal_local(linker);
  if (!for_each_relocations(linker, mark_referenced) || !check_undefined(linker)) return false;
  add_symbol_table(linker);
  list_names(linker);
  return for_each_relocations(linker, renumber);
}
