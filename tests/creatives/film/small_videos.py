"""The real classes of each family of film models with tiny random weights, as folders."""

import diffusers
import transformers

from tests.diffusion.small_models import clip_config, clip_tokenizer, t5_encoder, t5_tokenizer


def vision(width, side=32):
    return transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(
            hidden_size=width,
            projection_dim=width,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=side,
            intermediate_size=16,
            patch_size=side // 2,
        )
    )


def ltx():
    vae = diffusers.AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1, 1, 1, 1),
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    transformer = diffusers.LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    return diffusers.LTXPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=t5_encoder(),
        tokenizer=t5_tokenizer(),
        transformer=transformer,
    )


def wan():
    return diffusers.WanImageToVideoPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_encoder(),
        vae=diffusers.AutoencoderKLWan(
            base_dim=3,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=36,
            out_channels=16,
            text_dim=32,
            freq_dim=256,
            ffn_dim=32,
            num_layers=1,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
            image_dim=4,
        ),
        image_encoder=vision(4),
        image_processor=transformers.CLIPImageProcessor(crop_size=32, size=32),
    )


def svd():
    return diffusers.StableVideoDiffusionPipeline(
        vae=diffusers.AutoencoderKLTemporalDecoder(
            block_out_channels=[32, 64],
            down_block_types=["DownEncoderBlock2D"] * 2,
            latent_channels=4,
        ),
        image_encoder=vision(32, side=224),
        unet=diffusers.UNetSpatioTemporalConditionModel(
            block_out_channels=(32, 64),
            layers_per_block=1,
            sample_size=32,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            cross_attention_dim=32,
            num_attention_heads=8,
            projection_class_embeddings_input_dim=96,
            addition_time_embed_dim=32,
            num_frames=5,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(
            prediction_type="v_prediction",
            sigma_max=700.0,
            sigma_min=0.05,
            timestep_type="continuous",
            use_karras_sigmas=True,
        ),
        feature_extractor=transformers.CLIPImageProcessor(crop_size=32, size=32),
    )


def animatediff():
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
    )
    return diffusers.AnimateDiffPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=[32, 32],
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=4,
        ),
        text_encoder=transformers.CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet,
        motion_adapter=diffusers.MotionAdapter(
            block_out_channels=(32, 64), motion_layers_per_block=1, motion_num_attention_heads=4
        ),
        scheduler=diffusers.DDIMScheduler(beta_schedule="linear", clip_sample=False),
    )


FAMILIES = {"ltx": ltx, "wan": wan, "svd": svd, "animatediff": animatediff}


def saved(family, folder):
    """A tiny model's folder."""
    import torch

    torch.manual_seed(0)
    FAMILIES[family]().save_pretrained(folder)
    return str(folder)
