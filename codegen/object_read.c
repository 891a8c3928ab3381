// Reads ELF section and symbol tables into one form for both classes. The file is not trusted.
#include "codegen/object.h"

#include <elf.h>
#include <string.h>

#include "ir/arena.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ELF structures are read in place");

// What of the file header is needed to find the rest.
typedef struct Reader {
  Arena *arena;
  Diag *diag;
  const uint8_t *bytes;
  size_t size;
  ObjectFile *file;
  uint64_t table_offset;
  uint32_t entry_size, names_index;
} Reader;

static bool damaged(const Reader *r, const char *what) {
  return diag_error(r->diag, loc_file(r->file->path), "damaged object file: %s", what);
}

static bool read_header(Reader *r) {
  ObjectFile *file = r->file;
  Loc loc = loc_file(file->path);
  if (r->size < EI_NIDENT || memcmp(r->bytes, ELFMAG, SELFMAG) != 0)
    return diag_error(r->diag, loc, "not an ELF object file");
  uint8_t class = r->bytes[EI_CLASS];
  if (r->bytes[EI_DATA] != ELFDATA2LSB || (class != ELFCLASS32 && class != ELFCLASS64))
    return diag_error(r->diag, loc, "not a little-endian ELF object file");
  file->is_64 = class == ELFCLASS64;
  file->os_abi = r->bytes[EI_OSABI];
  if (r->size < (file->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
    return damaged(r, "it ends inside its header");
#define TAKE_HEADER(Header)                                                                        \
  do {                                                                                             \
    Header header;                                                                                 \
    memcpy(&header, r->bytes, sizeof header);                                                      \
    file->type = header.e_type, file->machine = header.e_machine, file->flags = header.e_flags;    \
    file->section_count = header.e_shnum, r->table_offset = header.e_shoff;                        \
    r->entry_size = header.e_shentsize, r->names_index = header.e_shstrndx;                        \
  } while (0)
  if (file->is_64)
    TAKE_HEADER(Elf64_Ehdr);
  else
    TAKE_HEADER(Elf32_Ehdr);
#undef TAKE_HEADER
  if (r->table_offset && !file->section_count)
    return diag_error(r->diag, loc, "more than %d sections", SHN_LORESERVE - 1);
  return true;
}

static void take_section(const Reader *r, int index, ObjectSection *section, uint32_t *name) {
  const uint8_t *entry = r->bytes + r->table_offset + (uint64_t)index * r->entry_size;
#define TAKE_SECTION(Header)                                                                       \
  do {                                                                                             \
    Header header;                                                                                 \
    memcpy(&header, entry, sizeof header);                                                         \
    *name = header.sh_name;                                                                        \
    *section = (ObjectSection){.type = header.sh_type,                                             \
                               .flags = header.sh_flags,                                           \
                               .offset = header.sh_offset,                                         \
                               .size = header.sh_size,                                             \
                               .alignment = header.sh_addralign ? header.sh_addralign : 1,         \
                               .entry_size = header.sh_entsize,                                    \
                               .link = header.sh_link,                                             \
                               .info = header.sh_info};                                            \
  } while (0)
  if (r->file->is_64)
    TAKE_SECTION(Elf64_Shdr);
  else
    TAKE_SECTION(Elf32_Shdr);
#undef TAKE_SECTION
}

// The text at `offset` of a string table; NULL: outside, or not terminated inside.
static const char *string_at(const ObjectSection *strings, uint32_t offset) {
  if (strings->type != SHT_STRTAB || offset >= strings->size) return NULL;
  if (strings->bytes[strings->size - 1] != '\0') return NULL;
  return (const char *)strings->bytes + offset;
}

static bool read_sections(Reader *r) {
  ObjectFile *file = r->file;
  int count = file->section_count;
  if (!count) return true;
  if (r->entry_size < (file->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)))
    return damaged(r, "the entries of its section table are too small");
  if (r->table_offset > r->size || (uint64_t)count * r->entry_size > r->size - r->table_offset)
    return damaged(r, "the section table lies outside the file");
  file->sections = NEW_ARRAY(r->arena, ObjectSection, count);
  uint32_t *names = NEW_ARRAY(r->arena, uint32_t, count);
  for (int i = 0; i < count; i++) {
    ObjectSection *section = &file->sections[i];
    take_section(r, i, section, &names[i]);
    if (section->alignment & (section->alignment - 1))
      return damaged(r, "the alignment of a section is not a power of two");
    if (section->type == SHT_NULL || section->type == SHT_NOBITS) continue;
    if (section->offset > r->size || section->size > r->size - section->offset)
      return damaged(r, "a section lies outside the file");
    section->bytes = r->bytes + section->offset;
  }
  if (r->names_index >= (uint32_t)count) return damaged(r, "it has no section names");
  for (int i = 0; i < count; i++) {
    file->sections[i].name = string_at(&file->sections[r->names_index], names[i]);
    if (!file->sections[i].name) return damaged(r, "the name of a section lies outside its table");
  }
  return true;
}

static void take_symbol(const Reader *r, const uint8_t *entry, ObjectSymbol *symbol,
                        uint32_t *name) {
#define TAKE_SYMBOL(Entry)                                                                         \
  do {                                                                                             \
    Entry taken;                                                                                   \
    memcpy(&taken, entry, sizeof taken);                                                           \
    *name = taken.st_name;                                                                         \
    *symbol = (ObjectSymbol){.type = taken.st_info & 15,                                           \
                             .binding = taken.st_info >> 4,                                        \
                             .other = taken.st_other,                                              \
                             .section = taken.st_shndx,                                            \
                             .value = taken.st_value,                                              \
                             .size = taken.st_size};                                               \
  } while (0)
  if (r->file->is_64)
    TAKE_SYMBOL(Elf64_Sym);
  else
    TAKE_SYMBOL(Elf32_Sym);
#undef TAKE_SYMBOL
}

static bool read_symbols(Reader *r, const ObjectSection *table) {
  ObjectFile *file = r->file;
  size_t entry_size = file->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
  if (table->entry_size != entry_size || table->size % entry_size ||
      table->size / entry_size > INT32_MAX)
    return damaged(r, "the size of its symbol table");
  if (table->link >= (uint32_t)file->section_count) return damaged(r, "its symbols have no names");
  const ObjectSection *strings = &file->sections[table->link];
  file->symbol_count = (int)(table->size / entry_size);
  file->symbols = NEW_ARRAY(r->arena, ObjectSymbol, file->symbol_count);
  for (int i = 0; i < file->symbol_count; i++) {
    ObjectSymbol *symbol = &file->symbols[i];
    uint32_t name;
    take_symbol(r, table->bytes + (size_t)i * entry_size, symbol, &name);
    symbol->name = name ? string_at(strings, name) : "";
    if (!symbol->name) return damaged(r, "the name of a symbol lies outside its table");
    if (symbol->section < SHN_LORESERVE ? symbol->section >= file->section_count
                                        : symbol->section == SHN_XINDEX)
      return damaged(r, "a symbol lies in a section that does not exist");
  }
  return true;
}

ObjectFile *object_read(Arena *arena, Diag *diag, const char *path, const uint8_t *bytes,
                        size_t size) {
  ObjectFile *file = NEW(arena, ObjectFile);
  file->path = path;
  Reader reader = {.arena = arena, .diag = diag, .bytes = bytes, .size = size, .file = file};
  if (!read_header(&reader) || !read_sections(&reader)) return NULL;
  for (int i = 0; i < file->section_count; i++) {
    if (file->sections[i].type != SHT_SYMTAB) continue;
    return read_symbols(&reader, &file->sections[i]) ? file : NULL;
  }
  return file;
}

const ObjectSection *object_find_section(const ObjectFile *file, const char *name) {
  for (int i = 1; i < file->section_count; i++)
    if (!strcmp(file->sections[i].name, name)) return &file->sections[i];
  return NULL;
}

ObjectSizes object_sizes(const ObjectFile *file) {
  ObjectSizes sizes = {0};
  for (int i = 0; i < file->section_count; i++) {
    const ObjectSection *section = &file->sections[i];
    if (!(section->flags & SHF_ALLOC)) continue;
    uint64_t *kind = section->type == SHT_NOBITS      ? &sizes.zeroed
                     : section->flags & SHF_EXECINSTR ? &sizes.code
                     : section->flags & SHF_WRITE     ? &sizes.writable
                                                      : &sizes.read_only;
    *kind += section->size;
  }
  return sizes;
}
