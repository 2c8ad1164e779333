"""What people are shown of others' names and addresses."""

from leadbook.lead import masks


def test_masks_hide_people():
    assert masks.mask_email("jane.doe@example.com") == "j***@example.com"
    assert masks.mask_name("Jane van Doe") == "J*** v*** D***"
    assert masks.mask_url("https://www.linkedin.com/in/jane-doe") == "https://www.linkedin.com/in/j***"
    assert masks.mask_phone("+14155552671") == "+1***71"
    assert masks.mask_email("") == masks.mask_url(None) == masks.mask_phone(None) == masks.mask_name(None) == ""
    assert masks.mask_people("o'brien@example.com, 'jane@example.com'") == "o***@example.com, 'j***@example.com'"
    assert masks.mask_email("broken") == masks.mask_phone("123") == "***"


def test_a_profile_is_masked_whatever_stands_behind_it():
    for url in ("https://www.linkedin.com/in/jane-doe/details/contact", "linkedin.com/pub/jane-doe/12/34?x=jane-doe",
                "linkedin.com//in//jane-doe/de"):  # fmt: skip
        assert "ane" not in masks.mask_url(url) + masks.mask_people(f"see {url}, and go on")
    assert masks.mask_people("no index of linkedin.com/in/jane-doe/x, 20,797 leads") == (
        "no index of linkedin.com/in/j***, 20,797 leads"
    )
