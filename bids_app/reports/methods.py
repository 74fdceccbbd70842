"""What was done, in words to paste into a paper, with its citations."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from bids_app import __version__

REFERENCES = {
    "N4": "Tustison NJ, et al. N4ITK: improved N3 bias correction. IEEE Trans Med Imaging 2010; 29:1310-1320. "
    "doi:10.1109/TMI.2010.2046908",
    "deepbet": "Fisch L, et al. deepbet: fast brain extraction of T1-weighted MRI using convolutional neural "
    "networks. Comput Biol Med 2024; 179:108845. doi:10.1016/j.compbiomed.2024.108845",
    "SyN": "Avants BB, et al. Symmetric diffeomorphic image registration with cross-correlation. Med Image Anal "
    "2008; 12:26-41. doi:10.1016/j.media.2007.06.004",
    "Atropos": "Avants BB, et al. An open source multivariate framework for n-tissue segmentation. "
    "Neuroinformatics 2011; 9:381-400. doi:10.1007/s12021-011-9109-y",
    "template": "Fonov V, et al. Unbiased average age-appropriate atlases for pediatric studies. NeuroImage 2011; "
    "54:313-327. doi:10.1016/j.neuroimage.2010.07.033",
    "AAL": "Tzourio-Mazoyer N, et al. Automated anatomical labeling of activations in SPM. NeuroImage 2002; "
    "15:273-289. doi:10.1006/nimg.2001.0978",
    "belief": "Schmidt P, et al. An automated tool for detection of FLAIR-hyperintense white-matter lesions in "
    "multiple sclerosis. NeuroImage 2012; 59:3774-3783. doi:10.1016/j.neuroimage.2011.11.032",
    "nipype": "Gorgolewski K, et al. Nipype. Front Neuroinform 2011; 5:13. doi:10.3389/fninf.2011.00013",
    "BIDS": "Gorgolewski KJ, et al. The brain imaging data structure. Sci Data 2016; 3:160044. "
    "doi:10.1038/sdata.2016.44",
}


def methods_text(settings: dict[str, Any]) -> str:
    """Return the methods of the participant level as Markdown.

    Parameters
    ----------
    settings : dict
        The settings that change results.
    """
    cited: list[str] = []

    def cite(key: str) -> str:
        if key not in cited:
            cited.append(key)
        return f"[{cited.index(key) + 1}]"

    size = 2 if settings["fast"] else 1
    lesions = {
        "derivatives": "Lesion masks were those that came with the dataset where it had them.",
    }.get(settings.get("lesions", ""), "Lesions were segmented from the belief map (see the sidecars).")
    text = (
        f"Images organised as BIDS {cite('BIDS')} were processed with Demyelin {__version__} (nipype "
        f"{version('nipype')} {cite('nipype')}, ANTsPy {version('antspyx')}). T1-weighted images were resampled to "
        f"{size} mm isotropic voxels, corrected for intensity non-uniformity with N4 {cite('N4')} and "
        f"brain-extracted with deepbet's networks {cite('deepbet')}. FLAIR images were corrected likewise and "
        f"aligned rigidly with the T1-weighted image. The grey-matter belief map is (F - m) / m, F the FLAIR "
        f"intensity and m its mean in grey matter {cite('belief')}. {lesions} Lesions were filled with intensities "
        f"of the normal-appearing white matter around them before grey matter, white matter and cerebrospinal "
        f"fluid were segmented with Atropos and template priors {cite('Atropos')} and before the image was "
        f"registered to {settings['template']} {cite('template')} with SyN {cite('SyN')}. Regions are those of "
        f"{settings['atlas']}{' ' + cite('AAL') if settings['atlas'] == 'AAL' else ''}, brought to the image "
        f"with the inverse transform. The random seed was {settings['random_seed']}."
    )
    references = "\n".join(f"{number}. {REFERENCES[key]}" for number, key in enumerate(cited, 1))
    return f"# Methods\n\n{text}\n\n## References\n\n{references}\n"
