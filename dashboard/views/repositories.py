"""Repositories: find one, see its tags and what they are made of, have one checked."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache import models, pull, retention, runtime, wording
from cache.access import visibility
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName, parse_reference
from cache.oci.repository import Repository
from cache.pull import Outcome
from dashboard.charts import Chart, Series, draw
from dashboard.queries import pins, repositories, repository
from dashboard.queries.repositories import ORDERS, PINNED, PULLED, SIZES, Query
from dashboard.views.page import needs, now, page, put_on_record, text_of

VISIBILITIES = ("public", "private", "unknown")

_SAYS = {
    Outcome.REVALIDATED: "is where it was",
    Outcome.MISS: "points to what upstream has now",
    Outcome.HIT: "points to what upstream has now",
    Outcome.STALE: "could not be checked, as upstream gave no answer; the log says why",
}


def overview(request: HttpRequest) -> HttpResponse:
    """The list: those that fit the filter."""
    query = _query(request)
    found = repositories.find(query, now())
    filters = {
        "text": query.text,
        "upstream": query.upstream,
        "visibility": query.visibility,
        "pinned": query.pinned,
        "size": query.size,
        "pulled": query.pulled,
        "order": query.order,
    }
    return page(
        request,
        "repositories.html",
        "Repositories",
        found=found,
        query=query,
        is_filtered=query != Query(order=query.order),
        next=urlencode({**filters, "after": found.after}) if found.after else "",
        upstreams=[one.name for one in runtime.current().config.upstreams],
        visibilities=VISIBILITIES,
        pinned=PINNED.items(),
        sizes=SIZES.items(),
        pulled=PULLED.items(),
        orders=ORDERS.items(),
    )


def one(request: HttpRequest, key: int) -> HttpResponse:
    """A repository's page."""
    row = _row(key)
    text = text_of(request.GET, "text")
    after = text_of(request.GET, "after")
    kept = pins.every()
    tags = repository.tags(row, text, after, now(), kept)
    return page(
        request,
        "repository.html",
        f"Repository {row.upstream}/{row.name}",
        row=row,
        standing=repositories.standing(row, visibility.list_rules()),
        size=retention.held([row.pk]).get(row.pk, 0),
        pin=pins.of_repository(row, kept),
        what=pins.text_of(row),
        tags=tags,
        text=text,
        after=after,
        next=urlencode({"text": text, "after": tags.after}) if tags.after else "",
        moves=repository.moves(row, ""),
        chart=_chart(row),
        is_served=row.upstream in runtime.current().config.names,
    )


def manifest(request: HttpRequest, key: int, digest: str) -> HttpResponse:
    """What a manifest is made of."""
    row = _row(key)
    try:
        contents = repository.contents(row, str(Digest.parse(digest)))
    except RegistryError:
        contents = None
    if contents is None:
        raise Http404
    title = f"Manifest of {row.upstream}/{row.name}"
    return page(
        request,
        "manifest.html",
        title,
        row=row,
        contents=contents,
        pin=pins.of_manifest(row, contents.tags, contents.digest, pins.every()),
        what=pins.text_of(row, digest=contents.digest),
    )


@require_POST
@needs("cache.check_tags")
def check(request: HttpRequest, key: int) -> HttpResponse:
    """Ask upstream now where a tag points."""
    row, name = _row(key), text_of(request.POST, "tag")
    there = Repository(row.upstream, RepositoryName(row.name))
    subject = f"{there}:{name}"
    try:
        tag = parse_reference(name)
        if isinstance(tag, Digest) or row.upstream not in runtime.current().config.names:
            raise Http404
        answer = pull.check_tag(there, tag)
    except RegistryError as error:
        messages.error(request, f"{subject[:400]}: {error.message}")
    else:
        say = messages.warning if answer.outcome is Outcome.STALE else messages.success
        say(request, f"{subject} {_SAYS[answer.outcome]}.")
        put_on_record(request, "tag", subject, "Had it checked.")
    return HttpResponseRedirect(reverse("admin:repository", args=[row.pk]))


def _row(key: int) -> models.Repository:
    row = models.Repository.objects.filter(pk=key).first()
    if row is None:
        raise Http404
    return row


def _query(request: HttpRequest) -> Query:
    given = {name: text_of(request.GET, name) for name in Query.__slots__}
    return Query(
        text=given["text"],
        upstream=given["upstream"],
        visibility=given["visibility"] if given["visibility"] in VISIBILITIES else "",
        pinned=given["pinned"] if given["pinned"] in PINNED else "",
        size=given["size"] if given["size"] in SIZES else "",
        pulled=given["pulled"] if given["pulled"] in PULLED else "",
        order=given["order"] if given["order"] in ORDERS else "name",
        after=given["after"],
    )


def _chart(row: models.Repository) -> Chart:
    days = repository.days(row, now())
    pulls = [Series("Pulls", "plain", [day.pulls for day in days])]
    return draw("Pulls", [day.start for day in days], pulls, wording.count, stacked=True)
