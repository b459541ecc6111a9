"""Small random towers of transformers' own classes, saved as folders like any pretrained one."""

import torch
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTModel,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    ConvNextV2Config,
    ConvNextV2Model,
    Dinov2Config,
    Dinov2Model,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetModel,
    SiglipConfig,
    SiglipModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTMAEConfig,
    ViTMAEModel,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = {**SHAPE, "image_size": 32, "patch_size": 8}
TEXT = {**SHAPE, "vocab_size": 64, "max_position_embeddings": 16}
ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def _clip():
    text = {**TEXT, **ENDS}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24))


def _siglip():
    text = {**TEXT, **ENDS, "projection_size": 32}
    return SiglipModel(SiglipConfig(text_config=text, vision_config=VISION))


VISION_TOWERS = {
    "clip": (_clip, 24),
    "clip_vision": (lambda: CLIPVisionModel(CLIPVisionConfig(**VISION)), 32),
    "siglip": (_siglip, 32),
    "siglip_vision": (lambda: SiglipVisionModel(SiglipVisionConfig(**VISION)), 32),
    "vit": (lambda: ViTModel(ViTConfig(**VISION)), 32),
    "vit_mae": (lambda: ViTMAEModel(ViTMAEConfig(**VISION)), 32),
    "dinov2": (lambda: Dinov2Model(Dinov2Config(**VISION)), 32),
    "convnext": (
        lambda: ConvNextV2Model(ConvNextV2Config(hidden_sizes=[8, 12, 16, 24], depths=[1] * 4)),
        24,
    ),
    "resnet": (
        lambda: ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])),
        16,
    ),
}


def vision_folder(name, folder):
    """A folder with weights, image processor and, for two towers, a text tokenizer."""
    torch.manual_seed(0)
    make, _ = VISION_TOWERS[name]
    make().save_pretrained(folder)
    if name == "clip":
        sizes = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
        CLIPImageProcessorPil(**sizes).save_pretrained(folder)
    else:
        ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    if name in ("clip", "siglip"):
        word_tokenizer().save_pretrained(folder)
    return folder


def word_tokenizer():
    """A text tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["<pad>", "<bos>", "<eos>", "<unk>", "red", "blue", "mug", "lamp", "striped"]
    inner = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
    )


AUDIO_TOWERS = ("wav2vec2", "whisper", "ast")


def audio_folder(name, folder):
    """A folder with the weights of a sound tower and its feature extractor."""
    torch.manual_seed(0)
    if name == "wav2vec2":
        config = Wav2Vec2Config(
            **SHAPE,
            conv_dim=(16, 16),
            conv_kernel=(10, 8),
            conv_stride=(5, 4),
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        )
        Wav2Vec2Model(config).save_pretrained(folder)
        Wav2Vec2FeatureExtractor().save_pretrained(folder)
    elif name == "whisper":
        config = WhisperConfig(
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_source_positions=100,
            vocab_size=64,
            num_mel_bins=16,
            **ENDS,
            decoder_start_token_id=1,
        )
        WhisperModel(config).save_pretrained(folder)
        WhisperFeatureExtractor(feature_size=16, chunk_length=2).save_pretrained(folder)
    else:
        config = ASTConfig(**SHAPE, max_length=64, num_mel_bins=16, patch_size=8)
        ASTModel(config).save_pretrained(folder)
        ASTFeatureExtractor(num_mel_bins=16, max_length=64).save_pretrained(folder)
    return folder
