// Relocatable ELF objects: reading, merging, adding data, writing.
//
// LLVM's C API has neither a linker nor an archiver, and passing 500 MB of weights through it costs
// twice their size in memory. So LLVM compiles only code, into memory, against external symbols;
// this writer merges the objects of all modules into one, adds sections that define those symbols,
// and streams their bytes from wherever they are into the file.
//
//   ObjectImage *image = object_link(arena, diag, &request);    // small: headers, code, symbols
//   if (!image) return false;
//   OutputFile *file = output_open(arena, diag, "model.o");
//   if (!file) return false;
//   if (object_image_write(image, output_sink(file)))           // streams the weights
//     return output_commit(file, diag);
//   output_abort(file);
//   return false;
//
// ELF32 and ELF64, little endian; x86-64, AArch64, ARM, RISC-V. No LLVM header is needed.
#ifndef TENON_CODEGEN_OBJECT_H
#define TENON_CODEGEN_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ir/diag.h"
#include "ir/file.h"

struct Arena;

// ---- Reading: any ELF file, also one that is damaged or was made to do harm -------------------

typedef struct ObjectSection {
  const char *name;
  uint32_t type;         // SHT_...
  uint64_t flags;        // SHF_...
  uint64_t offset, size; // in the file; SHT_NOBITS has a size, but no bytes in the file
  uint64_t alignment;    // a power of two, at least 1
  uint64_t entry_size;
  uint32_t link, info;  // meaning depends on the type
  const uint8_t *bytes; // `size` of them; NULL for SHT_NOBITS and SHT_NULL
} ObjectSection;

typedef struct ObjectSymbol {
  const char *name;
  uint8_t type, binding; // STT_..., STB_...
  uint8_t other;         // visibility in the low two bits
  uint16_t section;      // index, or SHN_UNDEF, SHN_ABS, SHN_COMMON
  uint64_t value, size;
} ObjectSymbol;

typedef struct ObjectFile {
  const char *path; // for messages
  bool is_64;
  uint16_t type, machine; // ET_..., EM_...
  uint8_t os_abi;
  uint32_t flags;          // e_flags
  ObjectSection *sections; // section 0 is the null section; none: the table was stripped
  int section_count;
  ObjectSymbol *symbols; // of SHT_SYMTAB, symbol 0 is the null symbol; none: stripped
  int symbol_count;
} ObjectFile;

// Bytes that the object takes in memory, by the kind of memory.
typedef struct ObjectSizes {
  uint64_t code;      // executable sections
  uint64_t read_only; // constants, unwind tables
  uint64_t writable;  // initialised variables, also constants that hold addresses in PIC
  uint64_t zeroed;    // .bss: no bytes in the file
} ObjectSizes;

// Reads the section and symbol tables; every offset and size is checked. Names and contents point
// into `bytes`, which must outlive the result. `path` is for messages.
// NULL: not an ELF file of the supported kinds, or damaged (reported).
ObjectFile *object_read(struct Arena *arena, struct Diag *diag, const char *path,
                        const uint8_t *bytes, size_t size);
// The first section with this name; NULL: none.
const ObjectSection *object_find_section(const ObjectFile *file, const char *name);
ObjectSizes object_sizes(const ObjectFile *file);

// The non-loaded section with what the compiler says about the model; `tenon inspect` prints it.
#define OBJECT_NOTE_SECTION ".tenon"

// ---- Writing ----------------------------------------------------------------------------------

// One module's object as LLVM emitted it. The bytes must outlive the image.
typedef struct ObjectInput {
  const char *name; // for messages
  const uint8_t *bytes;
  size_t size;
} ObjectInput;

typedef enum ObjectBinding {
  OBJECT_LOCAL,  // only this object's own code can name it
  OBJECT_HIDDEN, // other objects of the same program or library can
  OBJECT_GLOBAL, // everybody can
} ObjectBinding;

typedef struct ObjectDataSymbol {
  const char *name;
  uint64_t offset, size; // inside the section
  ObjectBinding binding;
} ObjectDataSymbol;

// A section whose bytes LLVM never saw. It defines symbols, one for each weight or one for all;
// code refers to them as external.
typedef struct ObjectDataSection {
  const char *name;   // ".rodata.lenet5_weights"; ".lrodata..." is marked as large on x86-64
  uint64_t alignment; // a power of two
  uint64_t size;      // bytes
  bool writable;
  const ObjectDataSymbol *symbols;
  int symbol_count;
  // Writes exactly `size` bytes, a piece at a time. false: an error was reported, writing stops.
  // It may run several times (object and archive), always with the same result.
  // NULL: the section is zeroed memory without bytes in the file.
  bool (*write)(void *user, OutputSink *sink);
  void *user;
} ObjectDataSection;

typedef struct ObjectRequest {
  const ObjectInput *inputs; // at least one, all for the same target
  int input_count;
  const ObjectDataSection *data;
  int data_count;
  const void *note; // content of the section .tenon; NULL: no such section
  size_t note_bytes;
  // Names (NULL-terminated) that stay global; all other definitions become local, so that nothing
  // internal can clash with the application. NULL: bindings stay as they are.
  const char *const *exported;
  // Names (NULL-terminated) which may stay undefined, from the target row; NULL: none may.
  const char *const *allowed_undefined;
  // For bare metal. Without .note.GNU-stack GNU ld does not warn about the application's own
  // objects; tables that only say "cannot unwind" take 8 bytes a function of flash.
  bool drop_stack_note, drop_cantunwind;
  // New name for a section, or NULL to keep it. May be NULL itself.
  const char *(*rename_section)(void *user, const char *name);
  void *rename_user;
  Loc loc; // of errors: the model
} ObjectRequest;

typedef struct ObjectImage ObjectImage;

// Merges the inputs, adds data sections, resolves symbols between them. On ARM the result is marked
// as compatible with every float ABI: no float crosses our interface. Section groups are dissolved.
// .comment and LLVM's own sections are dropped. Of attributes and notes one copy is kept.
// NULL: an undefined symbol is not allowed or a symbol has two definitions (bugs of ours, reported
// as internal errors since a particular model brings them out), or it does not fit in the format.
// `request` is not needed afterwards; its inputs, data descriptions and names must outlive the
// image.
ObjectImage *object_link(struct Arena *arena, struct Diag *diag, const ObjectRequest *request);

uint64_t object_image_size(const ObjectImage *image); // bytes of the file
ObjectSizes object_image_sizes(const ObjectImage *image);
// Names of the defined global symbols, NULL-terminated, in the order of the symbol table.
const char *const *object_image_globals(const ObjectImage *image);
// Names that are still undefined (all of them allowed), NULL-terminated.
const char *const *object_image_undefined(const ObjectImage *image);

// Writes object_image_size() bytes. false: a data section's `write` returned false.
bool object_image_write(const ObjectImage *image, OutputSink *sink);

// A static archive (.a, GNU format) with a symbol index. The same bytes every time: no dates,
// no owners. false: a data section's `write` returned false, or a member is too large (reported).
typedef struct ArchiveMember {
  const char *name; // "lenet5.o", without directories
  const ObjectImage *object;
} ArchiveMember;

bool archive_write(struct Arena *arena, struct Diag *diag, const ArchiveMember *members, int count,
                   OutputSink *sink);

#endif
