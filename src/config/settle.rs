//! From what a file says to what is set: the environment and the flags laid over it, every path made whole, and a look
//! at what must fit together.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{
    config::{
        Config, ConfigError, Environment, Flags, Origin, check,
        document::Map,
        error::Problem,
        limits::Limits,
        load::absolute,
        logging::{self, Logging},
        mcp::Mcp,
        places, policies,
        proxy::Proxy,
        rate_limits,
        server::Server,
        storage::{self, Storage},
        upstream,
        written::{Roots, WrittenPath},
    },
    policy::Policy,
};

/// A file as it is written. Each section reads itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub(crate) struct Sections {
    server: Server,
    storage: storage::Section,
    logging: logging::Section,
    upstream: upstream::Section,
    proxy: Proxy,
    limits: Limits,
    rate_limits: rate_limits::Section,
    policies: Vec<Policy>,
    policy: policies::Section,
    mcp: Mcp,
}

/// What was read, and from where.
pub(crate) struct Settings<'t> {
    pub(crate) sections: Sections,
    /// `None` where there is no file.
    pub(crate) map: Option<Map<'t>>,
    /// What relative paths start at.
    pub(crate) folder: &'t Path,
}

impl Settings<'_> {
    /// `origin` is told of the files that are included.
    pub(crate) fn settle(
        mut self,
        flags: &Flags,
        environment: &Environment,
        origin: &mut Origin,
    ) -> Result<Config, ConfigError> {
        if let Some(bind) = flags.bind {
            self.sections.server.bind = bind;
            if let Some(map) = &mut self.map {
                map.forget("server.bind");
            }
        }
        let home = environment.home.as_deref();
        let Sections { storage, logging, upstream, .. } = &self.sections;
        let store = self.store(environment)?;
        let data_dir = store.parent().unwrap_or(&store).to_owned();
        let audit_file = self.resolve("logging.audit_file", logging.audit_file.as_ref(), home)?;
        let ca_file = upstream.ca_file.as_ref().filter(|it| !it.is_empty());
        let mut server = self.sections.server.clone();
        server.socket = self.resolve("server.socket", server.socket.map(WrittenPath::new).as_ref(), home)?;
        let config = Config {
            storage: Storage {
                path: store,
                kdf: storage.file.kdf().map_err(|(key, problem)| self.place(key, problem))?,
            },
            logging: Logging {
                level: logging.level,
                format: logging.format,
                audit_file: audit_file.unwrap_or_else(|| data_dir.join(places::AUDIT_LOG)),
            },
            upstream: crate::upstream::Config {
                allow_private: upstream.allow_private.clone(),
                ca_file: self.resolve("upstream.ca_file", ca_file, home)?,
                connect_timeout: upstream.connect_timeout,
                proxy: upstream.proxy.clone(),
                no_proxy: upstream.no_proxy.clone(),
                reuse: upstream.reuse,
            },
            limits: self.sections.limits.clone(),
            rate_limits: self.sections.rate_limits.settle(),
            server,
            proxy: self.sections.proxy.clone(),
            mcp: self.sections.mcp.clone(),
            policies: policies::gather(
                &self.sections.policies,
                &self.sections.policy,
                Roots { home, folder: self.folder },
                self.map.as_ref(),
                origin,
            )?,
            data_dir,
        };
        check::check(&config).map_err(|(key, problem)| self.place(key, problem))?;
        Ok(config)
    }

    fn store(&self, environment: &Environment) -> Result<PathBuf, ConfigError> {
        if let Some(data_dir) = &environment.data_dir {
            return Ok(absolute(data_dir)?.join(places::STORE));
        }
        let written = self.sections.storage.file.path.as_ref();
        match self.resolve("storage.file.path", written, environment.home.as_deref())? {
            Some(path) => Ok(path),
            None => Ok(places::data_dir(environment)?.join(places::STORE)),
        }
    }

    fn resolve(
        &self,
        key: &str,
        written: Option<&WrittenPath>,
        home: Option<&Path>,
    ) -> Result<Option<PathBuf>, ConfigError> {
        let roots = Roots { home, folder: self.folder };
        written.map(|it| it.resolve(roots).map_err(|problem| self.place(key, problem))).transpose()
    }

    fn place(&self, key: &str, problem: Problem) -> ConfigError {
        match &self.map {
            Some(map) => map.at_value(key, problem),
            None => problem.anywhere(),
        }
    }
}
