// Lays out an object file and streams it: header, sections in order, section table.
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "codegen/object_image.h"

static uint64_t align_up(uint64_t offset, uint64_t alignment) {
  return (offset + alignment - 1) & ~(alignment - 1);
}

static void make_section_names(ObjectImage *image, Arena *arena) {
  StringTable names;
  string_table_init(&names, arena);
  image->name_offsets = NEW_ARRAY(arena, uint32_t, image->file.section_count);
  for (int i = 0; i < image->file.section_count; i++)
    image->name_offsets[i] = string_table_add(&names, image->file.sections[i].name);
  ObjectSection *section = &image->file.sections[image->names_index];
  section->size = names.bytes.size;
  section->bytes = names.bytes.bytes;
}

bool image_lay_out(ObjectImage *image, Arena *arena, Diag *diag, Loc loc) {
  ObjectFile *file = &image->file;
  if (file->section_count >= SHN_LORESERVE)
    return diag_error(diag, loc, "object of %d sections; ELF has room for %d", file->section_count,
                      SHN_LORESERVE - 1);
  make_section_names(image, arena);
  uint64_t offset = file->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
  for (int i = 1; i < file->section_count; i++) {
    ObjectSection *section = &file->sections[i];
    if (section->size > UINT64_MAX / 4 - offset || section->alignment > UINT64_MAX / 4)
      return diag_error(diag, loc, "object larger than ELF has room for");
    section->offset = section->type == SHT_NOBITS ? offset : align_up(offset, section->alignment);
    if (section->type != SHT_NOBITS)
      offset = section->offset + section->size;
    else if (!file->is_64 && section->size > UINT32_MAX)
      return diag_error(diag, loc, "memory of %" PRIu64 " bytes for a 32-bit target",
                        section->size);
  }
  image->table_offset = align_up(offset, 8);
  image->size = image->table_offset + (uint64_t)file->section_count *
                                          (file->is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));
  if (!file->is_64 && image->size > UINT32_MAX)
    return diag_error(diag, loc, "object of %" PRIu64 " bytes; 32-bit ELF has room for 4 GiB",
                      image->size);
  return true;
}

static void write_header(const ObjectImage *image, OutputSink *sink) {
  const ObjectFile *file = &image->file;
#define WRITE_HEADER(Header, Entry, Offset, class)                                                 \
  do {                                                                                             \
    Header header = {                                                                              \
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class, ELFDATA2LSB, EV_CURRENT},           \
        .e_type = ET_REL,                                                                          \
        .e_machine = file->machine,                                                                \
        .e_version = EV_CURRENT,                                                                   \
        .e_shoff = (Offset)image->table_offset,                                                    \
        .e_flags = file->flags,                                                                    \
        .e_ehsize = sizeof header,                                                                 \
        .e_shentsize = sizeof(Entry),                                                              \
        .e_shnum = (uint16_t)file->section_count,                                                  \
        .e_shstrndx = (uint16_t)image->names_index};                                               \
    header.e_ident[EI_OSABI] = file->os_abi;                                                       \
    sink_write(sink, &header, sizeof header);                                                      \
  } while (0)
  if (file->is_64)
    WRITE_HEADER(Elf64_Ehdr, Elf64_Shdr, Elf64_Off, ELFCLASS64);
  else
    WRITE_HEADER(Elf32_Ehdr, Elf32_Shdr, Elf32_Off, ELFCLASS32);
#undef WRITE_HEADER
}

static void write_section_entry(const ObjectImage *image, int index, OutputSink *sink) {
  const ObjectSection *section = &image->file.sections[index];
  uint64_t alignment = section->type == SHT_NULL ? 0 : section->alignment;
  if (image->file.is_64) {
    Elf64_Shdr entry = {image->name_offsets[index],
                        section->type,
                        section->flags,
                        0,
                        section->offset,
                        section->size,
                        section->link,
                        section->info,
                        alignment,
                        section->entry_size};
    sink_write(sink, &entry, sizeof entry);
  } else {
    Elf32_Shdr entry = {.sh_name = image->name_offsets[index],
                        .sh_type = section->type,
                        .sh_flags = (uint32_t)section->flags,
                        .sh_offset = (uint32_t)section->offset,
                        .sh_size = (uint32_t)section->size,
                        .sh_link = section->link,
                        .sh_info = section->info,
                        .sh_addralign = (uint32_t)alignment,
                        .sh_entsize = (uint32_t)section->entry_size};
    sink_write(sink, &entry, sizeof entry);
  }
}

bool object_image_write(const ObjectImage *image, OutputSink *sink) {
  const ObjectFile *file = &image->file;
  uint64_t start = sink->written;
  write_header(image, sink);
  for (int i = 1; i < file->section_count; i++) {
    const ObjectSection *section = &file->sections[i];
    const ObjectDataSection *data = image->data[i];
    if (section->type == SHT_NOBITS) continue;
    sink_zeros(sink, section->offset - (sink->written - start));
    if (!data) {
      sink_write(sink, section->bytes, (size_t)section->size);
      continue;
    }
    if (!data->write(data->user, sink)) return false;
    assert(sink->written - start == section->offset + section->size && "it wrote another size");
  }
  sink_zeros(sink, image->table_offset - (sink->written - start));
  for (int i = 0; i < file->section_count; i++) write_section_entry(image, i, sink);
  assert(sink->written - start == image->size);
  return true;
}
