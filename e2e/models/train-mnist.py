"""Trains the demo's digit classifier and writes mnist-cnn.onnx (float32) and mnist-cnn-int8.onnx (static QDQ).

    python3 train-mnist.py MNIST_FOLDER [OUTPUT_FOLDER]

MNIST_FOLDER holds the four idx files of MNIST, as they are or gzipped. Three minutes on one core; the same bytes again
on one kind of CPU with torch 2.13.0, onnx 1.23.1 and onnxruntime 1.30.0, which made the committed files.

Input `image`: float32 [batch, 1, 28, 28], pixels / 255. Output `logits`: float32 [batch, 10].
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

SEED, EPOCHS, BATCH, PEAK_RATE, SHIFT, CALIBRATION_IMAGES = 20, 5, 128, 4e-3, 2, 500


def read_idx(folder: Path, name: str) -> np.ndarray:
    path = folder / name
    raw = path.read_bytes() if path.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    rank = raw[3]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(np.frombuffer(raw, ">u4", rank, offset=4))


def read_split(folder: Path, prefix: str) -> tuple[torch.Tensor, torch.Tensor]:
    images = read_idx(folder, f"{prefix}-images-idx3-ubyte").astype(np.float32)[:, None] / np.float32(255)
    labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte").astype(np.int64)
    return torch.from_numpy(images), torch.from_numpy(labels)


class MnistCnn(nn.Module):
    """Four convolutions, each with batch normalisation and ReLU; mean over space; one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        channels, kernels = [1, 16, 32, 64, 64], [5, 3, 3, 3]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], k, padding=k // 2, bias=False) for i, k in enumerate(kernels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels[1:])
        self.classifier = nn.Linear(channels[-1], 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = torch.relu(norm(conv(x)))
            if i in (0, 1):
                x = torch.max_pool2d(x, 2)
        return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))

    def folded(self) -> "MnistCnn":
        """The same function with every batch normalisation folded into its convolution."""
        self.eval()
        for i, norm in enumerate(self.norms):
            self.convs[i] = fuse_conv_bn_eval(self.convs[i], norm)
            self.norms[i] = nn.Identity()
        return self


def shifted(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Moves the whole batch by up to SHIFT pixels each way; what leaves the frame is lost, what enters is black."""
    dy, dx = torch.randint(0, 2 * SHIFT + 1, (2,), generator=generator).tolist()
    return F.pad(images, (SHIFT,) * 4)[:, :, dy : dy + 28, dx : dx + 28]


def train(images: torch.Tensor, labels: torch.Tensor) -> MnistCnn:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(SEED)
    model = MnistCnn()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(len(images), generator=generator)
        for batch in order[: len(images) // BATCH * BATCH].split(BATCH):
            loss = F.cross_entropy(model(shifted(images[batch], generator)), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {loss.item():.3f}", file=sys.stderr)
    return model


def export(model: MnistCnn, path: Path) -> None:
    names = {"input_names": ["image"], "output_names": ["logits"]}
    names["dynamic_axes"] = {"image": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(model.folded(), (torch.zeros(1, 1, 28, 28),), path, opset_version=17, dynamo=False, **names)
    proto = onnx.load(path)
    proto.graph.name = "mnist-cnn"
    save(proto, path)


def save(proto: onnx.ModelProto, path: Path) -> None:
    """Without what the exporters add and nothing reads (notes, operator sets that no node uses); checked."""
    for node in proto.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del proto.metadata_props[:]
    used = {node.domain for node in proto.graph.node}
    imports = [entry for entry in proto.opset_import if entry.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(imports)
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))


class Calibration(CalibrationDataReader):
    def __init__(self, images: torch.Tensor) -> None:
        self.batches = ({"image": batch.numpy()} for batch in images.split(100))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


def quantize(path: Path, output: Path, images: torch.Tensor) -> None:
    prepared = output.with_suffix(".tmp")
    quant_pre_process(path, prepared)
    # reduce_range: with 7-bit weights the 16-bit sums of AVX2's VPMADDUBSW cannot saturate, so every CPU agrees.
    kinds = {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8, "quant_format": QuantFormat.QDQ}
    quantize_static(prepared, output, Calibration(images), per_channel=True, reduce_range=True, **kinds)
    prepared.unlink()
    save(onnx.load(output), output)


def accuracy(path: Path, images: torch.Tensor, labels: torch.Tensor) -> float:
    session = onnxruntime.InferenceSession(path)
    logits = np.concatenate([session.run(["logits"], {"image": batch.numpy()})[0] for batch in images.split(100)])
    return float((logits.argmax(1) == labels.numpy()).mean())


if __name__ == "__main__":
    data, out = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else Path(__file__).parent)
    train_images, train_labels = read_split(data, "train")
    float_path, int8_path = out / "mnist-cnn.onnx", out / "mnist-cnn-int8.onnx"
    export(train(train_images, train_labels), float_path)
    quantize(float_path, int8_path, train_images[:CALIBRATION_IMAGES])
    for path in (float_path, int8_path):
        print(f"{path.name}: {accuracy(path, *read_split(data, 't10k')):.2%}, {path.stat().st_size} bytes")
