"""The domain classifier: synthetic clip or recorded one? Paper section 3.1 and Figure 1; lesson 05."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from sedlib.config import Adversarial
from sedlib.models.fused import possible
from sedlib.models.separator import separate

# Conv-TasNet's global layer norm, over channels and frames of a clip at once; torch's own is 1.6 times as fast here.
GLOBAL_NORM = partial(nn.GroupNorm, 1, eps=1e-8)


class DomainClassifier(nn.Module):
    """Conv-TasNet's separator, which gives one number per frame instead of masks; their mean is the clip's logit.

    It learns beside the RNN on the CNN's embeddings of size ``features``, 128 in the paper; a finished run does not
    keep it.
    """

    def __init__(self, settings: Adversarial, features: int) -> None:
        super().__init__()
        from asteroid.masknn import TDConvNet  # imports scipy and requests, a fifth of the time of all imports

        self.network = TDConvNet(
            features,
            n_src=1,
            out_chan=1,
            n_blocks=settings.blocks,
            n_repeats=settings.repeats,
            bn_chan=settings.bottleneck,
            hid_chan=settings.hidden,
            skip_chan=0,  # residual connections alone, as in the released code
            norm_type=GLOBAL_NORM,
            mask_act="linear",
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map ``(batch, frame, feature)`` to one logit per clip ``(batch,)``; positive means synthetic."""
        if possible(embeddings):
            return separate(self.network, embeddings).mean(1).flatten()
        return self.network(embeddings.transpose(1, 2)).mean(-1).flatten()
