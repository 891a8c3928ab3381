"""Data sets for lists-data.test: input_0.pb .. of lists, right ones and wrong ones.

  lists_data.py FOLDER
"""
import pathlib
import sys

import numpy as np
import onnx


def sequence(arrays):
    return onnx.numpy_helper.from_list(arrays)


def optional(value):
    return onnx.numpy_helper.from_optional(value)


def write(folder, *values):
    folder.mkdir(parents=True)
    for index, value in enumerate(values):
        (folder / f"input_{index}.pb").write_bytes(value.SerializeToString())


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = [np.float32([1, 2, 3]), np.float32([-4, 5, np.nan])]
    maybe = np.int64([7, 8])
    write(folder / "set" / "test_data_set_0", sequence(rows), optional(maybe))
    write(folder / "none" / "test_data_set_0", sequence(rows[:1]), onnx.OptionalProto())
    write(folder / "other" / "test_data_set_0", sequence([np.int32([1])]), optional(maybe))
    write(folder / "tensor" / "test_data_set_0", onnx.numpy_helper.from_array(rows[0]), optional(maybe))
    np.savez(folder / "archive.npz", maybe=np.int64([[7, 8], [9, 10]]))
    np.savez(folder / "rows.npz", rows=np.float32([rows]), maybe=maybe[None])


if __name__ == "__main__":
    main()
