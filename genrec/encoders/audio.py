"""Sound encoders: any audio tower of transformers, such as CLAP, wav2vec2, Whisper or AST."""

from __future__ import annotations

import io
from functools import cached_property
from typing import Any

import numpy as np

from genrec.encoders.loading import load_pretrained, need
from genrec.encoders.media_encoder import MediaEncoder, Prepared, pooled
from genrec.errors import InputError

# Decoded at most: an hour at 48 kHz is 0.7 GB in float32.
MAX_SECONDS = 3600.0


class AudioEncoder(MediaEncoder):
    """Vectors of items' sounds: of so many seconds from the middle.

    Args:
        model: a hub name or a folder: CLAP (the sound's vector in the common space), wav2vec2,
            HuBERT, Whisper, AST, … (pooled).
        options: of ``MediaEncoderConfig``; ``seconds`` says how much is heard.
    """

    column = "audio"

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "seconds": self.config.seconds}

    def sample(self) -> Prepared:
        return self._features(np.zeros(int(self.config.seconds * self._rate), np.float32))

    def prepare(self, content: bytes) -> Prepared:
        wave = waveform(content, self._rate)
        length = int(self.config.seconds * self._rate)
        start = max(len(wave) - length, 0) // 2
        return self._features(wave[start : start + length])

    def forward(self, batch: dict[str, Any]) -> Any:
        if hasattr(self.model, "get_audio_features"):
            found = self.model.get_audio_features(**batch)
            return found if hasattr(found, "shape") else pooled(found)
        return pooled(self.model(**batch))

    def _features(self, wave: np.ndarray) -> Prepared:
        # Each extractor has its own length; what is shorter is padded as the model learned it.
        found = self._extractor(wave, sampling_rate=self._rate, return_tensors="np")
        return {key: np.asarray(value)[0] for key, value in found.items()}

    @cached_property
    def model(self) -> Any:
        need("A sound encoder", ("torch", "torch", "llm"), ("transformers", "transformers", "llm"))
        import torch
        from transformers import AutoModel

        model = load_pretrained(AutoModel, self.config.model, "The sound encoder")
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return model.to(device, self.dtype).eval()

    @cached_property
    def _extractor(self) -> Any:
        from transformers import AutoFeatureExtractor

        return load_pretrained(AutoFeatureExtractor, self.config.model, "The sound encoder")

    @property
    def _rate(self) -> int:
        return int(self._extractor.sampling_rate)


def waveform(content: bytes, rate: int) -> np.ndarray:
    """A sound as one channel, shape (samples,), float32 from -1 to 1.

    Args:
        rate: samples a second.

    Raises:
        InputError: no sound, damaged, empty, or longer than an hour.
        MissingExtra: PyAV is not installed.
    """
    need("Reading sounds", ("av", "av", "media"))
    import av

    parts: list[np.ndarray] = []
    samples = 0
    try:
        with av.open(io.BytesIO(content), "r") as sound:
            if not sound.streams.audio:
                raise InputError("it has no sound in it")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            for frame in sound.decode(sound.streams.audio[0]):
                for part in resampler.resample(frame):
                    parts.append(part.to_ndarray()[0])
                    samples += len(parts[-1])
                if samples > MAX_SECONDS * rate:
                    raise InputError(f"it is longer than {MAX_SECONDS:,.0f} seconds")
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (av.FFmpegError, ValueError, OSError, AttributeError) as error:
        raise InputError(f"it is no sound in a known format, or damaged: {error}") from error
    wave = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not len(wave):
        raise InputError("it has no sample that can be decoded")
    return wave.astype(np.float32)
