"""The contract of quantisers, kept by each."""

from genrec.semantic_ids.options import RqVaeConfig
from genrec.semantic_ids.product import ProductCodes
from genrec.semantic_ids.quantizer import ResidualKMeans
from genrec.semantic_ids.rqvae import RqVae
from genrec.semantic_ids.title_words import TitleWords
from tests.contracts.quantizer import QuantizerContract

QUICK = {"latent": 8, "hidden": (16,), "epochs": 12, "warmup_epochs": 4, "batch_size": 32}
QUICK |= {"learning_rate": 1e-2}


class TestResidualKMeans(QuantizerContract):
    def make(self):
        return ResidualKMeans(levels=3, codebook_size=8)


class TestProductCodes(QuantizerContract):
    def make(self):
        return ProductCodes(levels=8, codebook_size=8)


class TestProductCodesWithoutRotation(QuantizerContract):
    def make(self):
        return ProductCodes(levels=5, codebook_size=8, rotation=False)


class TestRqVae(QuantizerContract):
    def make(self):
        return RqVae(3, 8, RqVaeConfig(**QUICK))


class TestRqVaeByGradient(QuantizerContract):
    def make(self):
        return RqVae(3, 8, RqVaeConfig(**QUICK, codebooks="gradient", balance=True))


class TestTitleWords(QuantizerContract):
    rule = "append"

    def make(self):
        return TitleWords(levels=3, codebook_size=16)
