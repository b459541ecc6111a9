"""The real classes of each family with tiny random weights, in folders as diffusers writes them."""

import diffusers
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

WIDTH = 32


def seeded(build):
    torch.manual_seed(0)
    return build().eval()


def clip_tokenizer():
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=[],
        model_max_length=77,
    )


def clip_config(**more):
    settings = {
        "hidden_size": WIDTH,
        "intermediate_size": 37,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "vocab_size": 600,
        "projection_dim": WIDTH,
        "bos_token_id": 512,
        "eos_token_id": 513,
        "pad_token_id": 513,
    }
    return transformers.CLIPTextConfig(**settings | more)


def t5_tokenizer():
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(chr(code), -3.0) for code in range(97, 123)]
    return transformers.T5TokenizerFast(vocab=pieces, extra_ids=0)


def t5_encoder():
    config = transformers.T5Config(
        vocab_size=64, d_model=WIDTH, d_ff=37, d_kv=8, num_layers=2, num_heads=4
    )
    return transformers.T5EncoderModel(config)


def vae(**more):
    settings = {
        "block_out_channels": [32, 32],
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "latent_channels": 4,
        "norm_num_groups": 8,
    }
    return diffusers.AutoencoderKL(**settings | more)


def unet(**more):
    settings = {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    return diffusers.UNet2DConditionModel(**settings | more)


def sd():
    return diffusers.StableDiffusionPipeline(
        vae=seeded(vae),
        text_encoder=seeded(lambda: transformers.CLIPTextModel(clip_config())),
        tokenizer=clip_tokenizer(),
        unet=seeded(unet),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl():
    big = {"cross_attention_dim": 2 * WIDTH, "addition_embed_type": "text_time"}
    big |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 80}
    big |= {"transformer_layers_per_block": (1, 2), "use_linear_projection": True}
    return diffusers.StableDiffusionXLPipeline(
        vae=seeded(vae),
        text_encoder=seeded(lambda: transformers.CLIPTextModel(clip_config())),
        text_encoder_2=seeded(lambda: transformers.CLIPTextModelWithProjection(clip_config())),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=seeded(lambda: unet(**big)),
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        ),
    )


def sd3():
    return diffusers.StableDiffusion3Pipeline(
        transformer=seeded(
            lambda: diffusers.SD3Transformer2DModel(
                sample_size=16,
                patch_size=1,
                in_channels=16,
                num_layers=2,
                attention_head_dim=8,
                num_attention_heads=4,
                caption_projection_dim=32,
                joint_attention_dim=2 * WIDTH,
                pooled_projection_dim=2 * WIDTH,
                out_channels=16,
            )
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=seeded(lambda: vae(latent_channels=16, shift_factor=0.06, scaling_factor=1.5)),
        text_encoder=seeded(lambda: transformers.CLIPTextModelWithProjection(clip_config())),
        tokenizer=clip_tokenizer(),
        text_encoder_2=seeded(lambda: transformers.CLIPTextModelWithProjection(clip_config())),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=seeded(
            lambda: transformers.T5EncoderModel(
                transformers.T5Config(
                    vocab_size=64, d_model=2 * WIDTH, d_ff=37, d_kv=8, num_layers=1, num_heads=4
                )
            )
        ),
        tokenizer_3=t5_tokenizer(),
    )


def flux(*, distilled=True):
    return diffusers.FluxPipeline(
        transformer=seeded(
            lambda: diffusers.FluxTransformer2DModel(
                patch_size=1,
                in_channels=16,
                num_layers=2,
                num_single_layers=2,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=WIDTH,
                pooled_projection_dim=WIDTH,
                axes_dims_rope=[4, 4, 8],
                guidance_embeds=distilled,
            )
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=seeded(
            lambda: vae(
                shift_factor=0.06,
                scaling_factor=1.5,
                use_quant_conv=False,
                use_post_quant_conv=False,
            )
        ),
        text_encoder=seeded(lambda: transformers.CLIPTextModel(clip_config())),
        tokenizer=clip_tokenizer(),
        text_encoder_2=seeded(t5_encoder),
        tokenizer_2=t5_tokenizer(),
    )


def qwen():
    letters = sorted(ByteLevel.alphabet())
    tokenizer = transformers.Qwen2Tokenizer(
        vocab={piece: number for number, piece in enumerate([*letters, "<|endoftext|>"])},
        merges=[],
    )
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "hidden_size": WIDTH,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"},
            "rope_theta": 1_000_000.0,
            "vocab_size": 300,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
        },
    )
    return diffusers.QwenImagePipeline(
        transformer=seeded(
            lambda: diffusers.QwenImageTransformer2DModel(
                patch_size=2,
                in_channels=16,
                out_channels=4,
                num_layers=2,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=WIDTH,
                axes_dims_rope=(4, 6, 6),
            )
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=seeded(
            lambda: diffusers.AutoencoderKLQwenImage(
                base_dim=24,
                z_dim=4,
                dim_mult=[1, 2, 4],
                num_res_blocks=1,
                temperal_downsample=[False, True],
                latents_mean=[0.0] * 4,
                latents_std=[1.0] * 4,
            )
        ),
        text_encoder=seeded(lambda: transformers.Qwen2_5_VLForConditionalGeneration(config)),
        tokenizer=tokenizer,
    )


def sana():
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *map(chr, range(33, 127))]
    tokenizer = transformers.GemmaTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=[]
    )
    config = transformers.Gemma2Config(
        vocab_size=128,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        pad_token_id=0,
    )
    return diffusers.SanaPipeline(
        transformer=seeded(
            lambda: diffusers.SanaTransformer2DModel(
                patch_size=1,
                in_channels=4,
                out_channels=4,
                num_layers=1,
                num_attention_heads=2,
                attention_head_dim=4,
                num_cross_attention_heads=2,
                cross_attention_head_dim=4,
                cross_attention_dim=8,
                caption_channels=WIDTH,
                sample_size=32,
            )
        ),
        vae=seeded(
            lambda: diffusers.AutoencoderDC(
                in_channels=3,
                latent_channels=4,
                attention_head_dim=2,
                encoder_block_types=("ResBlock", "EfficientViTBlock"),
                decoder_block_types=("ResBlock", "EfficientViTBlock"),
                encoder_block_out_channels=(8, 8),
                decoder_block_out_channels=(8, 8),
                encoder_qkv_multiscales=((), (5,)),
                decoder_qkv_multiscales=((), (5,)),
                encoder_layers_per_block=(1, 1),
                decoder_layers_per_block=(1, 1),
                upsample_block_type="interpolate",
                downsample_block_type="stride_conv",
                decoder_norm_types="rms_norm",
                decoder_act_fns="silu",
                scaling_factor=0.41,
            )
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        text_encoder=seeded(lambda: transformers.Gemma2Model(config)),
        tokenizer=tokenizer,
    )


FAMILIES = {"sd": sd, "sdxl": sdxl, "sd3": sd3, "flux": flux, "qwen": qwen, "sana": sana}


def saved(name, folder):
    """A family's folder, written once."""
    if not (folder / "model_index.json").is_file():
        FAMILIES[name]().save_pretrained(folder)
    return folder


def save_lora(folder, kind, parts, *, seed, rank=4):
    """A LoRA with random halves, as diffusers' training examples write it.

    parts: by name of the component, the layers that it changes.
    """
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipe = FAMILIES[kind]()
    torch.manual_seed(seed)
    given = {}
    for part, targets in parts.items():
        module = getattr(pipe, part)
        module.add_adapter(
            LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, init_lora_weights=False)
        )
        state = get_peft_model_state_dict(module)
        given[f"{part}_lora_layers"] = {key: 1.5 * value for key, value in state.items()}
    type(pipe).save_lora_weights(folder, **given)
    return folder / "pytorch_lora_weights.safetensors"


def save_image_adapter(folder, unet, *, tokens=4):
    """An IP-Adapter with random weights for a UNet, with its vision tower beside it.

    tokens: diffusers reads the plain kind with four.
    """
    from safetensors.torch import save_file

    torch.manual_seed(5)
    vision = transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_attention_heads=2,
            num_hidden_layers=2,
            image_size=224,
            patch_size=32,
            projection_dim=16,
        )
    )
    vision.save_pretrained(folder / "image_encoder")
    wide = unet.config.cross_attention_dim
    state = {
        "image_proj.proj.weight": torch.randn(tokens * wide, 16),
        "image_proj.proj.bias": torch.randn(tokens * wide),
        "image_proj.norm.weight": torch.ones(wide),
        "image_proj.norm.bias": torch.zeros(wide),
    }
    layers = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(layers):
        hidden = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in ("to_k_ip", "to_v_ip"):
            weights = torch.randn(hidden, wide) * 0.2
            state[f"ip_adapter.{2 * number + 1}.{part}.weight"] = weights
    save_file(state, folder / "ip_adapter.safetensors")
    return folder
