"""What was done, in words to paste into a paper: from the settings used and what the files say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bids_app import __version__
from bids_app.reports.citations import as_bibtex, as_latex, as_markdown

BUILT_IN = "MNI152NLin2009aSym"


@dataclass(frozen=True)
class Facts:
    """What a visit's own files say of how they were made.

    Attributes
    ----------
    t1w : bool
        Whether the visit has a T1w image.
    flair : bool
        Whether it has a FLAIR image.
    supplied_lesions : bool or None
        Whether its lesion mask came with the data; None where that is not known (many visits).
    connectome : dict
        Description of the normative connectome; empty where there is none.
    radiomics : dict
        Settings of the radiomics; empty where there are none.
    """

    t1w: bool = True
    flair: bool = True
    supplied_lesions: bool | None = None
    connectome: dict[str, Any] | None = None
    radiomics: dict[str, Any] | None = None


def methods_text(settings: dict[str, Any], facts: Facts | None = None) -> str:
    """Return the methods of the participant level as Markdown.

    Parameters
    ----------
    settings : dict
        The settings that change results.
    facts : Facts, optional
        What one visit's files say; without it the text speaks of a whole run.
    """
    return as_markdown(_text(settings, facts or Facts()))


def methods_parts(settings: dict[str, Any], facts: Facts) -> list[dict[str, str]]:
    """Return the methods as Markdown, LaTeX and BibTeX, for the tabs of a page: label and text."""
    return parts_of(_text(settings, facts))


def parts_of(text: str) -> list[dict[str, str]]:
    """Return a text with citations as `[@key]` as Markdown, LaTeX and BibTeX: label and text."""
    return [
        {"label": "Markdown", "text": as_markdown(text)},
        {"label": "LaTeX", "text": as_latex(text)},
        {"label": "BibTeX", "text": as_bibtex(text)},
    ]


STRUCTURES = (
    "Structures were segmented by a Gaussian mixture with partial volume and spatial priors [@Unified] of 20 people's "
    "label maps [@SynthSeg]; grey matter, white matter and cerebrospinal fluid are their sums."
)


def _text(settings: dict[str, Any], facts: Facts) -> str:
    """Return the text with citations as `[@key]`."""
    sentences = [_images(settings, facts), _lesions(settings, facts)]
    if facts.t1w:
        sentences.append(_anatomy(settings))
    else:
        sentences.append(f"The image was registered to {_template(settings)} with Greedy. {STRUCTURES}")
    sentences += [_radiomics(settings, facts), _disconnection(settings, facts)]
    sentences.append(
        "Signal-to-noise and contrast-to-noise ratios follow MRIQC's definitions [@MRIQC]. "
        f"The random seed was {settings['random_seed']}."
    )
    return " ".join(filter(None, sentences))


def _images(settings: dict[str, Any], facts: Facts) -> str:
    size = 2 if settings["fast"] else 1
    start = (
        f"Images organised as BIDS [@BIDS] were processed with Demyelin {__version__} (nipype {version('nipype')} "
        f"[@nipype], Greedy {version('picsl-greedy')} [@Greedy])."
    )
    steps = (
        f"resampled to {size} mm isotropic voxels, corrected for intensity non-uniformity with N4 [@N4] and"
    )
    first = "T1-weighted" if facts.t1w else "FLAIR"
    text = f"{start} {first} images were {steps} brain-extracted with deepbet's networks [@deepbet]."
    if facts.t1w and facts.flair:
        text += " FLAIR images were corrected likewise and aligned rigidly with the T1-weighted image."
    return text


def _lesions(settings: dict[str, Any], facts: Facts) -> str:
    from bids_app.image.lesions import METHODS
    from bids_app.image.places import CLASSES

    belief = "The grey-matter belief map is (F - m) / m, F the FLAIR intensity and m its mean in grey matter [@LST]."
    method = METHODS.get(settings["lesions"])
    learned = "" if method is None or method.of_tissues else "; some of the patients are of [@Lesjak]"
    least = settings.get("lesion_min_volume", 3.0)
    segmented = (
        f"Lesions of at least {least:g} mm³ were segmented {_by(facts)}({method.about.rstrip('.')}{learned})."
        if method
        else ""
    )
    supplied = "The lesion masks supplied with the data were used."
    if facts.supplied_lesions or method is None:
        found = supplied
    elif facts.supplied_lesions is None:
        found = (
            f"{supplied.rstrip('.')} where there were any. {segmented.replace('Lesions', 'Else lesions', 1)}"
        )
    else:
        found = segmented
    *classes, last = (place.words for place in CLASSES.values())
    places = (
        f"Each lesion was classed by place ({', '.join(classes)} and {last}) after the 2017 McDonald criteria "
        "[@McDonald]."
        if facts.t1w
        else ""
    )
    return " ".join(filter(None, [belief if facts.flair else "", found, places]))


def _by(facts: Facts) -> str:
    return "" if facts.flair else "by the T1-weighted image alone, which shows the fewest of them, "


def _template(settings: dict[str, Any]) -> str:
    cite = "[@template]" if settings["template"] == BUILT_IN else "(TemplateFlow [@templateflow])"
    return f"{settings['template']} {cite}"


def _anatomy(settings: dict[str, Any]) -> str:
    atlas = "AAL [@AAL]" if settings["atlas"] == "AAL" else f"the atlas {settings['atlas']}"
    return (
        f"The image was registered to {_template(settings)} with Greedy. {STRUCTURES} Lesions were left out of "
        "them, and filled in a T1-weighted image with intensities of the normal-appearing white matter around "
        f"them. Regions are those of {atlas}, brought to the "
        "image with the inverse transform; deep nuclei, hippocampus and amygdala are the image's own structures; "
        "grey-matter volumes of regions are sums of tissue probability. Intracranial volume is that of the template's "
        "intracranial space brought to the image."
    )


def _radiomics(settings: dict[str, Any], facts: Facts) -> str:
    if not facts.t1w:
        return ""
    text = "Radiomic features as pyradiomics defines them [@pyradiomics] were extracted from the unfilled T1w image"
    if not facts.radiomics:
        file = settings.get("radiomics_settings")
        return f"{text} of each region{' with a parameter file' if file else ''}."
    setting = facts.radiomics.get("setting", {})
    images = ", ".join(str(name) for name in facts.radiomics.get("imageType", {}))
    classes = ", ".join(str(name) for name in facts.radiomics.get("featureClass", {}))
    width = setting.get("binWidth")
    return (
        f"{text} of each region (image types {images}; classes {classes}"
        f"{f'; bin width {width}' if width is not None else ''}"
        f"{'; intensities normalised' if setting.get('normalize') else ''})."
    )


def _disconnection(settings: dict[str, Any], facts: Facts) -> str:
    connectome = facts.connectome if facts.connectome is not None else {}
    if not connectome:
        return ""
    source = connectome.get("Source")
    name = ", ".join(str(one) for one in source) if isinstance(source, list) else str(source or "not stated")
    kind = (
        "a synthetic connectome (for testing only)"
        if connectome.get("Synthetic")
        else "a normative connectome"
    )
    weighted = (
        " Streamlines were weighted by the largest lesion probability on their way."
        if settings.get("weight_lesions")
        else ""
    )
    return (
        "A region's disconnection (change in connectivity, ChaCo [@ChaCo]) is the share of the streamlines that end "
        f"in it and in another region and pass through lesions, in {kind} of {connectome.get('NStreamlines', '?')} "
        f"streamlines ({name}); ends were searched within {settings['end_radius']:g} mm.{weighted}"
    )
