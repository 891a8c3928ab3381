"""Prints a pointwise region with that many operands."""
import sys

count = int(sys.argv[1])
names = [f"%x{i}" for i in range(count)]
print("tenon 1", *(f"input {name} : f32[3]" for name in names), sep="\n")
print("%y = fused", ", ".join(names), "body (" + ", ".join(f"%a{i}: f32[3]" for i in range(count)), ") {")
print("  %b0 = neg %a0", *(f"  %b{i} = add %b{i - 1}, %a{i}" for i in range(1, count)), sep="\n")
print(f"  return %b{count - 1}\n}}\nreturn %y")
