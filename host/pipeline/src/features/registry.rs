//! Definitions of views and services. The host keeps them; the plugin makes them known to its backend.

use std::sync::Arc;

use asgard_contract::features::{BackendInformation, FeatureService, FeatureView, Request};
use asgard_contract::log::Discard;
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result};
use asgard_store::{Resource, ResourceKind};
use asgard_tasks::{NewTask, TaskFilter, TaskStatus};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::run::{FeatureTask, KIND};
use crate::environments::Active;
use crate::pipelines::Begun;
use crate::{Pipeline, names, new_id};

/// How long registration waits for the first materialisation of an online view.
const MATERIALISE_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

/// A view to be registered.
#[derive(Debug, Clone)]
pub struct NewView {
    pub view: FeatureView,
}

/// A service to be registered.
#[derive(Debug, Clone)]
pub struct NewService {
    pub service: FeatureService,
}

/// Where a view stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewStatus {
    Registered,
    Materialized,
    Failed,
}

/// A registered view.
#[derive(Debug, Clone)]
pub struct Registered {
    pub view: FeatureView,
    pub created_at: DateTime<Utc>,
    pub status: ViewStatus,
    pub message: String,
}

/// A registered service.
#[derive(Debug, Clone)]
pub struct ServiceRecord {
    pub service: FeatureService,
    pub created_at: DateTime<Utc>,
}

/// The feature store as a whole.
#[derive(Debug, Clone)]
pub struct FeatureStatus {
    pub information: BackendInformation,
    pub views: Vec<String>,
    pub entities: Vec<String>,
    pub services: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ViewBody {
    view: FeatureView,
}

impl Pipeline {
    /// Checks table, columns and types, registers the view, and fills the online store when it asks for that.
    ///
    /// # Errors
    /// `invalid-input` with the field (`features[2].name`), `conflict` for a name in use.
    pub async fn register_view(&self, active: &Arc<Active>, new: NewView) -> Result<Registered> {
        let view = new.view;
        check_view(&view)?;
        self.refuse_taken_name(active, ResourceKind::FeatureView, "feature view", &view.name).await?;
        let id = self.enter_view(active, &view).await?;
        if view.online {
            let task = self.tasks.submit(self.materialisation(active, &id, &view).await?).await?;
            self.tasks.wait(&task.id, MATERIALISE_WITHIN).await?;
        }
        self.view(active, &view.name).await
    }

    /// A step of a pipeline's run: the view is registered unless it is, and its online store is filled anew, if it has one.
    ///
    /// # Errors
    /// Those of [`Pipeline::register_view`]; `conflict` for a view of the same name that is another one.
    pub(crate) async fn features_of(&self, active: &Arc<Active>, new: NewView, parent: &str) -> Result<Begun> {
        let view = new.view;
        check_view(&view)?;
        let kind = ResourceKind::FeatureView;
        let id = match self.store.get_by_name::<ViewBody>(&active.name, kind, &view.name).await? {
            Some(known) if known.body.view == view => known.id,
            Some(_) => {
                return Err(Error::conflict(format!(
                    "there is another feature view `{}`: remove it, or give this one another name",
                    view.name
                )));
            }
            None => self.enter_view(active, &view).await?,
        };
        if !view.online {
            return Ok(Begun::Nothing);
        }
        let task = self.materialisation(active, &id, &view).await?.parent(Some(parent));
        Ok(Begun::Task(Box::new(self.tasks.submit(task).await?)))
    }

    /// Makes a view known to the backend and stores it; answers with its id.
    async fn enter_view(&self, active: &Arc<Active>, view: &FeatureView) -> Result<String> {
        let bound = self.required(active, Role::Features).await?;
        let id = new_id();
        bound.plugin.feature_source(bound.call(&id, Arc::new(Discard)).await?).register_view(view).await?;
        let body = ViewBody { view: view.clone() };
        self.store.put_new(&active.name, ResourceKind::FeatureView, &id, &view.name, &body).await?;
        Ok(id)
    }

    /// The task that fills a view's online store.
    async fn materialisation(&self, active: &Arc<Active>, id: &str, view: &FeatureView) -> Result<NewTask> {
        let pin = self.required(active, Role::Features).await?.pin();
        let request = FeatureTask { pin: pin.clone(), request: Request::Materialise(view.clone()) };
        Ok(NewTask::new(&active.name, KIND)
            .subject(id)
            .plugin(&pin)
            .request(serde_json::to_value(&request).unwrap_or_default()))
    }

    /// A view by name.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn view(&self, active: &Active, name: &str) -> Result<Registered> {
        let resource = self.view_resource(active, name).await?;
        self.shown_view(active, resource).await
    }

    /// All views, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn views(&self, active: &Active) -> Result<Vec<Registered>> {
        let mut views = Vec::new();
        for resource in self.view_resources(active).await? {
            views.push(self.shown_view(active, resource).await?);
        }
        Ok(views)
    }

    /// A view with what became of its online store, as the newest task tells that fills it.
    async fn shown_view(&self, active: &Active, resource: Resource<ViewBody>) -> Result<Registered> {
        let view = resource.body.view;
        let mut message = format!("feature view `{}` is registered over {}", view.name, view.source);
        let mut status = ViewStatus::Registered;
        let fills = TaskFilter::default().environment(&active.name).kind(KIND).subject(&resource.id);
        let (newest, _) = if view.online { self.tasks.list(&fills, 1, 0).await? } else { (Vec::new(), 0) };
        match newest.into_iter().next().map(|task| (task.status, task.error)) {
            None => {}
            Some((TaskStatus::Succeeded, _)) => {
                status = ViewStatus::Materialized;
                message.push_str(", and its online store is filled");
            }
            Some((_, Some(error))) => {
                status = ViewStatus::Failed;
                message = format!("the view is registered, but its online store could not be filled: {error}");
            }
            Some(_) => message.push_str("; its online store is being filled"),
        }
        Ok(Registered { view, created_at: resource.created_at, status, message })
    }

    async fn view_resources(&self, active: &Active) -> Result<Vec<Resource<ViewBody>>> {
        Ok(self.store.list(&active.name, ResourceKind::FeatureView, u32::MAX, 0).await?.0)
    }

    /// Removes a view from backend and registry.
    ///
    /// # Errors
    /// `conflict` while a service uses it.
    pub async fn remove_view(&self, active: &Arc<Active>, name: &str) -> Result<()> {
        let resource = self.view_resource(active, name).await?;
        for service in self.services(active).await? {
            if service.service.views.iter().any(|view| view == name) {
                return Err(Error::conflict(format!(
                    "service `{}` uses this view: remove it first",
                    service.service.name
                )));
            }
        }
        let bound = self.required(active, Role::Features).await?;
        let source = bound.plugin.feature_source(bound.call(&resource.id, Arc::new(Discard)).await?);
        source.remove_view(&resource.body.view).await?;
        Ok(self.store.delete(&active.name, ResourceKind::FeatureView, &resource.id).await?)
    }

    /// Registers a service over views that exist.
    ///
    /// # Errors
    /// `invalid-input` for a view that does not exist, `conflict` for a name in use.
    pub async fn register_service(&self, active: &Arc<Active>, new: NewService) -> Result<ServiceRecord> {
        let service = new.service;
        names::identifier("name", &service.name)?;
        if service.views.is_empty() {
            return Err(Error::invalid("feature_views", "a service needs one view at least"));
        }
        let views = self.named_views(active, &service.views, "feature_views").await?;
        self.refuse_taken_name(active, ResourceKind::FeatureService, "feature service", &service.name).await?;
        let bound = self.required(active, Role::Features).await?;
        let id = new_id();
        let source = bound.plugin.feature_source(bound.call(&id, Arc::new(Discard)).await?);
        source.register_service(&service, &views).await?;
        self.store.put_new(&active.name, ResourceKind::FeatureService, &id, &service.name, &service).await?;
        self.service(active, &service.name).await
    }

    /// A service by name.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn service(&self, active: &Active, name: &str) -> Result<ServiceRecord> {
        let found = self.store.get_by_name::<FeatureService>(&active.name, ResourceKind::FeatureService, name).await?;
        let resource = found.ok_or_else(|| Error::not_found(format!("there is no feature service `{name}`")))?;
        Ok(ServiceRecord { service: resource.body, created_at: resource.created_at })
    }

    /// All services, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn services(&self, active: &Active) -> Result<Vec<ServiceRecord>> {
        let (found, _) =
            self.store.list::<FeatureService>(&active.name, ResourceKind::FeatureService, u32::MAX, 0).await?;
        Ok(found.into_iter().map(|r| ServiceRecord { service: r.body, created_at: r.created_at }).collect())
    }

    /// Removes a service.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn remove_service(&self, active: &Arc<Active>, name: &str) -> Result<()> {
        let found = self.store.get_by_name::<FeatureService>(&active.name, ResourceKind::FeatureService, name).await?;
        let resource = found.ok_or_else(|| Error::not_found(format!("there is no feature service `{name}`")))?;
        let bound = self.required(active, Role::Features).await?;
        bound.plugin.feature_source(bound.call(&resource.id, Arc::new(Discard)).await?).remove_service(name).await?;
        Ok(self.store.delete(&active.name, ResourceKind::FeatureService, &resource.id).await?)
    }

    /// What the feature store holds, and what it is.
    ///
    /// # Errors
    /// `unavailable` when the backend does not answer.
    pub async fn feature_status(&self, active: &Arc<Active>) -> Result<FeatureStatus> {
        let bound = self.required(active, Role::Features).await?;
        let call = bound.call("feature-status", Arc::new(Discard)).await?;
        let information = bound.plugin.feature_source(call).information().await?;
        let views: Vec<FeatureView> =
            self.view_resources(active).await?.into_iter().map(|resource| resource.body.view).collect();
        let mut entities: Vec<String> = views.iter().flat_map(|view| view.entities.clone()).collect();
        entities.sort();
        entities.dedup();
        Ok(FeatureStatus {
            information,
            views: views.into_iter().map(|view| view.name).collect(),
            entities,
            services: self.services(active).await?.len() as u64,
        })
    }

    /// Views by name, for a request's `field`.
    pub(super) async fn named_views(&self, active: &Active, names: &[String], field: &str) -> Result<Vec<FeatureView>> {
        let mut views = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let resource = self.view_resource(active, name).await.map_err(|error| match error {
                Error::NotFound { message } => Error::invalid(format!("{field}[{index}]"), message),
                other => other,
            })?;
            views.push(resource.body.view);
        }
        Ok(views)
    }

    async fn view_resource(&self, active: &Active, name: &str) -> Result<Resource<ViewBody>> {
        let found = self.store.get_by_name(&active.name, ResourceKind::FeatureView, name).await?;
        found.ok_or_else(|| {
            Error::not_found(format!("there is no feature view `{name}`: GET /feast/features lists those there are"))
        })
    }
}

fn check_view(view: &FeatureView) -> Result<()> {
    names::identifier("name", &view.name)?;
    if view.entities.is_empty() {
        return Err(Error::invalid("entities", "a view needs one entity at least: the columns that identify a row"));
    }
    if view.features.is_empty() {
        return Err(Error::invalid("features", "a view needs one feature at least"));
    }
    for (index, entity) in view.entities.iter().enumerate() {
        names::identifier(&format!("entities[{index}]"), entity)?;
        if view.entities[..index].contains(entity) {
            return Err(Error::invalid(format!("entities[{index}]"), format!("entity `{entity}` is named twice")));
        }
    }
    for (index, feature) in view.features.iter().enumerate() {
        let field = format!("features[{index}].name");
        names::identifier(&field, &feature.name)?;
        if view.features[..index].iter().any(|other| other.name == feature.name) {
            return Err(Error::invalid(field, format!("feature `{}` is named twice", feature.name)));
        }
    }
    Ok(())
}
