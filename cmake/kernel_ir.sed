# Kernel IR takes target, CPU, unwinding and flags from the module it is linked into.
/^!llvm.module.flags/d
/^!llvm.ident/d
/^source_filename/d
/^; ModuleID/d
/^attributes #/s/ "target-cpu"="[^"]*"//
/^attributes #/s/ "target-features"="[^"]*"//
/^attributes #/s/ "tune-cpu"="[^"]*"//
/^attributes #/s/ "target-abi"="[^"]*"//
/^attributes #/s/ "min-legal-vector-width"="[^"]*"//
/^attributes #/s/ "stack-protector-buffer-size"="[^"]*"//
/^attributes #/s/ "frame-pointer"="[^"]*"//
