// Inside of the object writer: what object_link.c, object_symbols.c and object_write.c share.
#ifndef TENON_CODEGEN_OBJECT_IMAGE_H
#define TENON_CODEGEN_OBJECT_IMAGE_H

#include <elf.h>

#include "codegen/object.h"
#include "ir/arena.h"

// A laid-out object. Sections hold their bytes in memory, except those with an entry in `data`.
struct ObjectImage {
  ObjectFile file;                // sections as they will be in the output; no symbols
  const ObjectDataSection **data; // one per section; NULL: bytes in memory
  int section_capacity;
  int names_index;        // of .shstrtab
  uint32_t *name_offsets; // of each section, in .shstrtab
  uint64_t table_offset, size;
  const char **globals, **undefined;
};

// Texts to numbers, in an open hash table.
typedef struct NameMap {
  Arena *arena;
  const char **names; // NULL: free
  int *numbers;
  int count, capacity; // capacity: a power of two, or 0
} NameMap;

int *name_map_find(const NameMap *map, const char *name); // NULL: absent
void name_map_add(NameMap *map, const char *name, int number);

// Section of an ELF string table under construction; equal strings are stored once.
typedef struct StringTable {
  MemorySink bytes;
  NameMap offsets;
} StringTable;

void string_table_init(StringTable *table, Arena *arena);
uint32_t string_table_add(StringTable *table, const char *text);

// One module being merged. Maps hold output indices.
typedef struct LinkInput {
  const ObjectFile *file;
  int *section_map; // 0: dropped
  uint64_t *bases;  // where a section starts in its output section: not 0 only if it was joined
  int *symbol_map;  // to Linker.symbols; -1: dropped
} LinkInput;

typedef struct LinkSymbol {
  ObjectSymbol symbol; // its section is an output index
  bool referenced;     // by a relocation that is kept
  int index;           // in the output's symbol table; 0: not there
} LinkSymbol;

typedef struct Linker {
  Arena *arena;
  Diag *diag;
  const ObjectRequest *request;
  ObjectImage *image;
  LinkInput *inputs;
  int *data_sections; // output index of each of request->data
  LinkSymbol *symbols;
  int symbol_count, symbol_capacity;
  NameMap by_name; // global symbols
} Linker;

// Output index of a new section at the end.
int linker_add_section(Linker *linker, ObjectSection section, const ObjectDataSection *data);

// Needs all section maps. Collects and resolves symbols, checks the undefined ones, adds the
// sections .symtab and .strtab and points the relocations (copies, already in the image) to them.
bool linker_resolve_symbols(Linker *linker);

static inline bool is_relocation(const ObjectSection *section) {
  return section->type == SHT_REL || section->type == SHT_RELA;
}

// Content of .ARM.attributes with Tag_ABI_VFP_args = 3, "compatible with every float ABI".
// false: the content is not what the ABI describes (reported).
bool arm_allow_every_float_abi(Arena *arena, Diag *diag, Loc loc, ObjectSection *section);

// Makes .shstrtab and assigns file offsets. false: too large for ELF32 (reported).
bool image_lay_out(ObjectImage *image, Arena *arena, Diag *diag, Loc loc);

#endif
