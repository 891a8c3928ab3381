"""data.py KIND PATH: makes and checks the data files that the tests of the command line use."""
import sys
import zipfile

import numpy as np


def sets(path):
    """Data sets for ../../../examples/mnist/lenet5.onnx in several shapes and types."""
    random = np.random.default_rng(1)
    images = random.random((6, 1, 28, 28), dtype=np.float32)
    labels = np.arange(6) % 10
    np.savez(f"{path}/stored.npz", image=images, labels=labels)
    np.savez_compressed(f"{path}/deflated.npz", image=images[:, None], labels=labels)
    np.savez(f"{path}/bytes.npz", image=(images * 255).astype(np.uint8), labels=labels)
    np.savez(f"{path}/fortran.npz", image=np.asfortranarray(images), labels=labels.astype(">i8"))
    np.savez(f"{path}/unlabelled.npz", image=images)
    np.savez(f"{path}/wrong_shape.npz", image=images[:, :, :27], labels=labels)
    np.savez(f"{path}/wrong_name.npz", picture=images, other=labels)
    np.savez(f"{path}/wrong_count.npz", image=images, labels=labels[:5])
    np.savez(f"{path}/split.npz", x_train=images[:2], y_train=labels[:2], x_test=images[2:], y_test=labels[2:])
    np.savez(f"{path}/texts.npz", image=images, labels=np.array([str(label) for label in labels]))
    np.savez(f"{path}/one.npz", image=images[:1])
    np.save(f"{path}/one.npy", images[:1])
    np.save(f"{path}/big_endian.npy", images[:1].astype(">f4"))
    np.save(f"{path}/objects.npy", np.array([None, 1], dtype=object), allow_pickle=True)
    np.savez_compressed(f"{path}/large.npz", image=np.resize(images, (400, 1, 28, 28)), labels=np.resize(labels, 400))
    with zipfile.ZipFile(f"{path}/inflated.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", open(f"{path}/one.npy", "rb").read() + bytes(1 << 28))
    whole = open(f"{path}/stored.npz", "rb").read()
    open(f"{path}/truncated.npz", "wb").write(whole[:3000])
    open(f"{path}/damaged.npz", "wb").write(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    open(f"{path}/truncated.npy", "wb").write(open(f"{path}/one.npy", "rb").read()[:1000])


def same(first, second):
    a, b = np.load(first), np.load(second)
    for name in a.files:
        assert a[name].dtype == b[name].dtype and np.array_equal(a[name], b[name]), name
    print("the same:", *a.files)


def shape(path):
    data = np.load(path)
    if isinstance(data, np.ndarray):
        print(data.dtype, data.shape)
    else:
        for name in data.files:
            print(name, data[name].dtype, data[name].shape)


{"sets": sets, "same": same, "shape": shape}[sys.argv[1]](*sys.argv[2:])
